/** One answer in full: picture, what each task took, and the JSON as it came. */
import { Button, Dialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import { milliseconds } from "../shared/format.ts";
import { Head } from "../shared/parts.tsx";
import type { Found } from "./answer.ts";
import { MarkedPicture } from "./marked-picture.tsx";
import type { Answer } from "./measuring.ts";

const TIMES = ["Batch", "Waited", "Computed"];

interface AnswerDetailsProps {
  readonly answer: Answer;
  readonly found: Found;
  readonly onClose: () => void;
}

export function AnswerDetails({ answer, found, onClose }: AnswerDetailsProps) {
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
          {body !== undefined && <pre className="raw">{pretty(body)}</pre>}
          <Button className="button" slot="close">
            Close
          </Button>
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}

function pretty(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 1);
  } catch {
    return body;
  }
}
