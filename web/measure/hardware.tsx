/** Hardware in use: each task's replicas; added, removed and changed while requests go on. */
import { useCallback, useEffect, useState } from "react";
import { Button, Dialog, DialogTrigger, Heading, Popover } from "react-aria-components";
import type {
  ControlledReplica,
  GatewayStatus,
  ReplicaBatching,
  ReplicaStatus,
} from "../../library/browser.ts";
import { type Client, type Deployed, messageOf, replicasOf, tasksOf } from "../shared/client.ts";
import { connection, useConnection } from "../shared/connection.ts";
import { percent } from "../shared/format.ts";
import { Head, NumberEntry, Problem, SelectEntry } from "../shared/parts.tsx";

const ANY_NODE = { id: "", name: "Any node with room" };

export function Hardware() {
  const { client, deployed, status } = useConnection();
  const [replicas, setReplicas] = useState<readonly ControlledReplica[] | null>(null);
  /** Changes under way, by what they change. */
  const [busy, setBusy] = useState<ReadonlySet<string>>(new Set());
  const [problem, setProblem] = useState<string | null>(null);
  const load = useCallback(async () => {
    try {
      setReplicas((await client.json<{ replicas: ControlledReplica[] }>("/v1/replicas")).replicas);
    } catch {
      setReplicas(null);
    }
  }, [client]);
  // A replica that is lost, or comes back, shows in the status first.
  const states = status?.replicas.map(({ name, state }) => `${name} ${state}`).join() ?? "";
  // biome-ignore lint/correctness/useExhaustiveDependencies: another state is a reason to ask again
  useEffect(() => void load(), [load, states]);
  if (deployed === null || status === null) return null;

  const change = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    setBusy((now) => new Set([...now, what]));
    setProblem(null);
    try {
      await work();
    } catch (error) {
      setProblem(messageOf(error));
    }
    await load();
    connection.refresh();
    setBusy((now) => new Set([...now].filter((one) => one !== what)));
  };
  return (
    <section className="card" aria-labelledby="hardware">
      <h2 id="hardware">Hardware in use</h2>
      <Problem text={problem} />
      {tasksOf(status).map((task) => (
        <TaskReplicas
          key={task}
          task={task}
          client={client}
          deployed={deployed}
          status={status}
          busy={busy}
          change={change}
          replicas={replicas?.filter((replica) => replica.task === task) ?? null}
        />
      ))}
      <p className="muted small">
        Changes take hold while requests go on: a replica that leaves ends its batch first.
      </p>
    </section>
  );
}

interface TaskReplicasProps {
  readonly task: string;
  readonly client: Client;
  readonly deployed: Deployed;
  readonly status: GatewayStatus;
  readonly busy: ReadonlySet<string>;
  /** Null: this deployment's replicas cannot be changed. */
  readonly replicas: readonly ControlledReplica[] | null;
  readonly change: (what: string, work: () => Promise<unknown>) => Promise<void>;
}

function TaskReplicas(props: TaskReplicasProps) {
  const { task, client, deployed, status, busy, replicas, change } = props;
  const nodes = nodesOf(deployed);
  const room = deployed.room[task] ?? 0;
  const [node, setNode] = useState("");
  const live = replicasOf(status, task);
  const add = (): Promise<void> =>
    change(task, () => {
      const body = { task, ...(node === "" ? {} : { node }) };
      return client.json("/v1/replicas", { method: "POST", body });
    });
  const up = live.filter(({ state }) => state === "up").length;
  return (
    <div className="task">
      <h3>
        {task}: {up} {up === 1 ? "replica" : "replicas"}
      </h3>
      <div className="scroll">
        <table>
          <Head
            columns={["Replica", ...(nodes.length > 1 ? ["Node"] : []), "State", "Busy", "Batch"]}
            numeric={["Busy"]}
            hidden="Remove"
          />
          <tbody>
            {live.map((one) => (
              <ReplicaRow
                key={one.name}
                live={one}
                own={replicas?.find(({ name }) => name === one.name)}
                isLast={live.length < 2}
                hasNodes={nodes.length > 1}
                client={client}
                busy={busy}
                change={change}
              />
            ))}
          </tbody>
        </table>
      </div>
      {replicas !== null && (
        <div className="row end">
          {nodes.length > 1 && (
            <SelectEntry
              label={`Node of a new ${task}`}
              value={node}
              options={nodes}
              onChange={setNode}
            />
          )}
          <Button
            className="button"
            isDisabled={busy.has(task) || live.length >= room}
            onPress={add}
          >
            {busy.has(task) ? `Starting a ${task} …` : `Add a ${task}`}
          </Button>
          {live.length >= room && (
            <span className="muted small">
              No room for more: <code>cluster up --spare N</code> gives it
            </span>
          )}
        </div>
      )}
    </div>
  );
}

interface ReplicaRowProps extends Pick<TaskReplicasProps, "client" | "busy" | "change"> {
  readonly live: ReplicaStatus;
  /** Undefined: it cannot be changed. */
  readonly own: ControlledReplica | undefined;
  /** A task keeps one replica. */
  readonly isLast: boolean;
  /** More than one node, so that it matters. */
  readonly hasNodes: boolean;
}

function ReplicaRow({ live, own, isLast, hasNodes, client, busy, change }: ReplicaRowProps) {
  const { name, node, state, utilizationRatio, losses } = live;
  const path = `/v1/replicas/${encodeURIComponent(name)}`;
  return (
    <tr>
      <th scope="row">{name}</th>
      {hasNodes && <td>{node}</td>}
      <td className={state === "up" ? "good" : "bad"}>
        {state}
        {losses > 0 && <span className="muted"> (lost {losses} ×)</span>}
      </td>
      <td className="numeric">{percent(utilizationRatio)}</td>
      <td>
        {own === undefined ? (
          "scheduler's"
        ) : (
          <BatchChoice
            name={name}
            batch={own.batch}
            onApply={(body) => change(name, () => client.json(path, { method: "PATCH", body }))}
          />
        )}
      </td>
      <td>
        {own !== undefined && (
          <Button
            className="button quiet"
            aria-label={`Remove ${name}`}
            isDisabled={busy.has(name) || isLast}
            onPress={() => change(name, () => client.json(path, { method: "DELETE" }))}
          >
            {busy.has(name) ? "…" : "Remove"}
          </Button>
        )}
      </td>
    </tr>
  );
}

function nodesOf({ document }: Deployed) {
  const names = (document.cluster.nodes ?? []).flatMap(({ name, count = 1 }) =>
    count === 1 ? [name] : Array.from({ length: count }, (_, i) => `${name}-${i + 1}`),
  );
  return names.length > 1 ? [ANY_NODE, ...names] : [];
}

interface BatchChoiceProps {
  readonly name: string;
  readonly batch: ReplicaBatching | null;
  readonly onApply: (batch: ReplicaBatching) => void;
}

function BatchChoice({ name, batch, onApply }: BatchChoiceProps) {
  const [maxBatch, setMaxBatch] = useState(batch?.maxBatch ?? 1);
  const [waitMs, setWaitMs] = useState(batch?.waitMs ?? 0);
  const text = batch === null ? "scheduler's" : `${batch.maxBatch}, ${batch.waitMs} ms`;
  return (
    <DialogTrigger>
      <Button className="button quiet" aria-label={`Batch of ${name}: ${text}`}>
        {text}
      </Button>
      <Popover className="popover">
        <Dialog className="dialog">
          {({ close }) => (
            <>
              <Heading slot="title">Batches of {name}</Heading>
              <NumberEntry
                label="Jobs in a batch, at most"
                value={maxBatch}
                onChange={setMaxBatch}
                least={1}
                most={4096}
              />
              <NumberEntry
                label="Wait for more, ms"
                value={waitMs}
                onChange={setWaitMs}
                most={60_000}
                about="from the first job of a batch that is not full"
              />
              <Button
                className="button primary"
                onPress={() => {
                  onApply({ maxBatch, waitMs });
                  close();
                }}
              >
                Apply
              </Button>
            </>
          )}
        </Dialog>
      </Popover>
    </DialogTrigger>
  );
}
