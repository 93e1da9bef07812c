/** Results: each request's answer, picture and time, and the whole in figures. */
import { useMemo, useState } from "react";
import { Button, Dialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import { parsedJson } from "../shared/client.ts";
import { figures, mean, milliseconds, quantile } from "../shared/format.ts";
import { Head, Problem, SelectEntry } from "../shared/parts.tsx";
import { LiveChart } from "../shared/plot.tsx";
import { type Box, type Found, foundIn, isTrue } from "./answer.ts";
import type { Answer, Measured } from "./measuring.ts";
import type { Picture } from "./requests.ts";

interface Row {
  readonly answer: Answer;
  readonly found: Found;
  readonly truth: boolean | null;
}

const FILTERS = [
  { id: "all", name: "All" },
  { id: "failed", name: "Without an answer" },
  { id: "false", name: "Not the truth" },
  { id: "slow", name: "The slowest first" },
];
const PAGE = 25;
/** Answers are read once each. */
const rows = new WeakMap<Answer, Row>();

function rowOf(answer: Answer): Row {
  let row = rows.get(answer);
  if (row === undefined) {
    const found = foundIn(answer.body);
    const truth = answer.outcome === "completed" ? isTrue(found, answer.picture) : null;
    row = { answer, found, truth };
    rows.set(answer, row);
  }
  return row;
}

export function Results({ measured }: { readonly measured: Measured }) {
  const { state, answers, timedBy, problem } = measured;
  const [filter, setFilter] = useState("all");
  const [shown, setShown] = useState(PAGE);
  const all = useMemo(() => answers.map(rowOf), [answers]);
  const picked = useMemo(() => chosen(all, filter), [all, filter]);
  return (
    <section className="card" aria-labelledby="results">
      <h2 id="results">Results</h2>
      {state === "none" ? (
        <p className="muted">Start to send requests: each answer shows here as it comes.</p>
      ) : (
        <>
          <Figures all={all} sent={measured.sent} />
          <Problem text={problem} />
          <Refused answers={answers} />
          <p className="muted small">
            A response time counts from when a request was due to its answer.{" "}
            {timedBy !== "" && `Timed by ${timedBy}.`}
            {state === "stopped" && " Stopped: requests under way were given up."}
          </p>
          <ResponseTimes answers={answers} />
          <div className="row">
            <SelectEntry label="Show" value={filter} options={FILTERS} onChange={setFilter} />
          </div>
          <AnswerTable rows={picked.slice(0, shown)} />
          {picked.length > shown && (
            <Button className="button" onPress={() => setShown(shown + PAGE)}>
              Show {Math.min(PAGE, picked.length - shown)} more of {picked.length}
            </Button>
          )}
        </>
      )}
    </section>
  );
}

/** The remedy where a queue that is too long refuses requests. */
function Refused({ answers }: { readonly answers: readonly Answer[] }) {
  const refused = answers.filter(({ error }) => error?.includes("refused")).length;
  if (refused === 0) return null;
  return (
    <p className="warn">
      {refused} refused, as they would wait longer than the SLO allows: send fewer at once, add
      replicas, or check <em>Take every request</em>.
    </p>
  );
}

function chosen(all: readonly Row[], filter: string): readonly Row[] {
  if (filter === "failed") return all.filter(({ answer }) => answer.outcome !== "completed");
  if (filter === "false") return all.filter(({ truth }) => truth === false);
  if (filter === "slow") return [...all].sort((a, b) => b.answer.latencyMs - a.answer.latencyMs);
  return [...all].reverse();
}

interface FiguresProps {
  readonly all: readonly Row[];
  readonly sent: number;
}

/** Shown where an answer lies above them: of fewer answers they would be the slowest one. */
const HIGH_PERCENTILES = [
  ["95th percentile", 0.95],
  ["99th percentile", 0.99],
] as const;

function Figures({ all, sent }: FiguresProps) {
  const completed = all.filter(({ answer }) => answer.outcome === "completed");
  const latencies = completed.map(({ answer }) => answer.latencyMs).sort((a, b) => a - b);
  const lastMs = Math.max(0, ...completed.map(({ answer }) => answer.endedMs));
  const known = completed.filter(({ truth }) => truth !== null);
  const late = all.filter(({ answer }) => answer.outcome === "timed out").length;
  const right = known.filter(({ truth }) => truth).length;
  const tiles: readonly (readonly [label: string, value: string, tone?: string])[] = [
    ["Answers", `${completed.length} of ${sent}`, completed.length === all.length ? "" : "bad"],
    ["Mean", milliseconds(mean(latencies))],
    ["Median", milliseconds(quantile(latencies, 0.5))],
    ...HIGH_PERCENTILES.filter(([, share]) => latencies.length * (1 - share) >= 1).map(
      ([label, share]) => [label, milliseconds(quantile(latencies, share))] as const,
    ),
    ["All answered after", milliseconds(completed.length === 0 ? null : lastMs)],
    ["Answers a second", lastMs === 0 ? "–" : figures((completed.length / lastMs) * 1000)],
    ...(late === 0 ? [] : ([["Timed out", String(late), "bad"]] as const)),
    ...(known.length === 0
      ? []
      : ([
          ["True", `${right} of ${known.length}`, right === known.length ? "good" : "warn"],
        ] as const)),
  ];
  return (
    <dl className="tiles">
      {tiles.map(([label, value, tone = ""]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd className={tone} data-testid={`figure-${label}`}>
            {value}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function ResponseTimes({ answers }: { readonly answers: readonly Answer[] }) {
  const [x, series] = useMemo(() => {
    const sorted = [...answers].sort((a, b) => a.endedMs - b.endedMs);
    const isDone = ({ outcome }: Answer) => outcome === "completed";
    const values = (keep: (answer: Answer) => boolean) =>
      sorted.map((answer) => (keep(answer) ? answer.latencyMs : null));
    const failed = sorted.some((answer) => !isDone(answer))
      ? [{ name: "without an answer", values: values((answer) => !isDone(answer)) }]
      : [];
    const lines = [{ name: "answered", values: values(isDone) }, ...failed];
    return [sorted.map(({ endedMs }) => endedMs / 1000), lines];
  }, [answers]);
  return (
    <LiveChart
      title="Response times, by when they ended (s)"
      unit="ms"
      x={x}
      series={series}
      isClock={false}
      isPoints
    />
  );
}

function AnswerTable({ rows: some }: { readonly rows: readonly Row[] }) {
  const [open, setOpen] = useState<Row | null>(null);
  return (
    <div className="scroll tall">
      <table>
        <Head
          columns={["Request", "Response time", "Sent", "Answer", "True"]}
          numeric={["Response time"]}
          hidden="Details"
        />
        <tbody>
          {some.map((row) => {
            const { answer, found, truth } = row;
            const { request, picture, outcome, error, latencyMs } = answer;
            return (
              <tr key={request} data-testid="answer">
                <th scope="row">{request + 1}</th>
                <td className="numeric">{milliseconds(latencyMs)}</td>
                <td className={picture?.source === null ? "wrap" : ""}>
                  {picture && <MarkedPicture picture={picture} boxes={found.boxes} isSmall />}
                </td>
                <td className={outcome === "completed" ? "wrap" : "wrap bad"}>
                  {outcome === "completed" ? found.text || "empty" : (error ?? outcome)}
                </td>
                <td className={truth === false ? "bad" : "good"}>
                  {truth === null
                    ? ""
                    : truth
                      ? "✓ yes"
                      : `✗ it is ${picture?.truth?.plate ?? "no car"}`}
                </td>
                <td>
                  <Button
                    className="button quiet"
                    aria-label={`Details of request ${request + 1}`}
                    onPress={() => setOpen(row)}
                  >
                    Details
                  </Button>
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {open !== null && (
        <AnswerDetails answer={open.answer} found={open.found} onClose={() => setOpen(null)} />
      )}
    </div>
  );
}

interface MarkedPictureProps {
  readonly picture: Picture;
  readonly boxes: readonly Box[];
  /** A thumbnail: boxes without their texts. */
  readonly isSmall?: boolean;
}

/** Height of text over the picture's shorter side. */
const TEXT_SHARE = 1 / 24;

/** A picture with what was found drawn on it. */
function MarkedPicture({ picture, boxes, isSmall = false }: MarkedPictureProps) {
  const [size, setSize] = useState({ width: 0, height: 0 });
  const { width, height } = size;
  const text = Math.max(12, Math.min(width, height) * TEXT_SHARE);
  const told = boxes.map((box) => box.text).join(", ");
  if (picture.source === null) return picture.name;
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

const TIMES = ["Batch", "Waited", "Computed"];

interface AnswerDetailsProps {
  readonly answer: Answer;
  readonly found: Found;
  readonly onClose: () => void;
}

/** One answer in full: picture, what each task took, and the JSON as it came. */
function AnswerDetails({ answer, found, onClose }: AnswerDetailsProps) {
  const { request, picture, latencyMs, dueMs, sentMs, endedMs, outcome, error, body } = answer;
  return (
    <ModalOverlay
      className="overlay"
      isOpen
      isDismissable
      onOpenChange={(isOpen) => !isOpen && onClose()}
    >
      <Modal className="modal">
        <Dialog className="dialog">
          <Heading slot="title">
            Request {request + 1}: {outcome === "completed" ? milliseconds(latencyMs) : outcome}
          </Heading>
          {picture && <MarkedPicture picture={picture} boxes={found.boxes} />}
          <p>{outcome === "completed" ? found.text : error}</p>
          <p className="muted small">
            Due {milliseconds(dueMs)}, sent {milliseconds(sentMs)}, ended {milliseconds(endedMs)}{" "}
            after the start.
          </p>
          {found.tasks.length > 0 && (
            <table>
              <Head columns={["Task", "Replica", ...TIMES]} numeric={TIMES} />
              <tbody>
                {found.tasks.map(({ task, replica, batch, queuedMs, serviceMs }) => (
                  <tr key={task}>
                    <th scope="row">{task}</th>
                    <td>{replica}</td>
                    <td className="numeric">{batch}</td>
                    <td className="numeric">{milliseconds(queuedMs)}</td>
                    <td className="numeric">{milliseconds(serviceMs)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
          {body !== undefined && (
            <pre className="raw">{JSON.stringify(parsedJson(body), null, 1) ?? body}</pre>
          )}
          <Button className="button" slot="close">
            Close
          </Button>
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}
