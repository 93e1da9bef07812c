/** Small parts that several panels have. */

/** The problem; nothing where all is well. */
export function Problem({ text }: { readonly text: string | null }) {
  if (text === null) return null;
  return (
    <p role="alert" className="bad">
      {text}
    </p>
  );
}

interface HeadProps {
  readonly columns: readonly string[];
  /** Those of numbers. */
  readonly numeric?: readonly string[];
  /** The name of a last column, of buttons that say what they do. */
  readonly hidden?: string;
}

/** The head of a table. */
export function Head({ columns, numeric = [], hidden }: HeadProps) {
  return (
    <thead>
      <tr>
        {columns.map((column) => (
          <th scope="col" key={column} className={numeric.includes(column) ? "numeric" : undefined}>
            {column}
          </th>
        ))}
        {hidden !== undefined && (
          <th scope="col">
            <span className="hidden">{hidden}</span>
          </th>
        )}
      </tr>
    </thead>
  );
}

interface LegendProps {
  readonly series: readonly {
    readonly name: string;
    /** A colour of the style sheet, such as `--accent`. */
    readonly color: string;
    readonly dash?: readonly number[];
  }[];
}

export function Legend({ series }: LegendProps) {
  return (
    <ul className="legend">
      {series.map(({ name, color, dash }) => (
        <li key={name}>
          <svg width="22" height="8" aria-hidden="true">
            <path
              d="M1 4H21"
              stroke={`var(${color})`}
              strokeWidth="2.5"
              strokeDasharray={dash?.join(" ")}
            />
          </svg>
          {name}
        </li>
      ))}
    </ul>
  );
}

/** The name of the i-th of six colours that are told apart: Okabe and Ito's, as in the reports. */
export function seriesColour(i: number): string {
  return `--series-${(i % 6) + 1}`;
}
