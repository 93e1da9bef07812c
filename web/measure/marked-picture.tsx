/** A picture with what was found drawn on it. */
import { useState } from "react";
import type { Box } from "./answer.ts";
import type { Picture } from "./pictures.ts";

interface MarkedPictureProps {
  readonly picture: Picture;
  readonly boxes: readonly Box[];
  /** A thumbnail: boxes without their texts. */
  readonly isSmall?: boolean;
}

/** Height of text over the picture's shorter side. */
const TEXT_SHARE = 1 / 24;

export function MarkedPicture({ picture, boxes, isSmall = false }: MarkedPictureProps) {
  const [size, setSize] = useState({ width: 0, height: 0 });
  const { width, height } = size;
  const text = Math.max(12, Math.min(width, height) * TEXT_SHARE);
  const told = boxes.map((box) => box.text).join(", ");
  return (
    <span className={isSmall ? "marked small" : "marked"}>
      <img
        src={picture.source}
        alt={told === "" ? picture.name : `${picture.name}; found: ${told}`}
        onLoad={({ currentTarget: { naturalWidth, naturalHeight } }) =>
          setSize({ width: naturalWidth, height: naturalHeight })
        }
      />
      {width > 0 && (
        <svg viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
          {boxes.map(({ box: [left, top, right, bottom], text: name }) => (
            <g key={`${left} ${top} ${name}`}>
              <rect
                x={left}
                y={top}
                width={right - left}
                height={bottom - top}
                fill="none"
                stroke="#ffd400"
                strokeWidth={Math.max(2, width / (isSmall ? 80 : 240))}
              />
              {!isSmall && (
                <>
                  <rect
                    x={left}
                    y={Math.max(0, top - text * 1.3)}
                    width={name.length * text * 0.7 + text * 0.6}
                    height={text * 1.3}
                    fill="#ffd400"
                  />
                  <text
                    x={left + text * 0.3}
                    y={Math.max(0, top - text * 1.3) + text}
                    fontSize={text}
                    fontWeight="bold"
                    fill="#000"
                  >
                    {name}
                  </text>
                </>
              )}
            </g>
          ))}
        </svg>
      )}
    </span>
  );
}
