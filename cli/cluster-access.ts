/** `tandem cluster certs` and `tandem cluster token`: what a deployment lets people in by. */

import { appendToken, createToken, type Role } from "../cluster/security/access.ts";
import { writeCertificates } from "../cluster/security/certificate-files.ts";

export interface CertsArguments {
  readonly directory: string;
  readonly host: readonly string[];
  readonly days: number;
  readonly force: boolean;
  readonly newCa: boolean;
  readonly json: boolean;
}

export async function certs(args: CertsArguments): Promise<void> {
  const { directory, days, force, newCa, json } = args;
  const hosts = args.host.flatMap((list) => list.split(",")).map((host) => host.trim());
  const written = await writeCertificates(directory, { hosts, days, force, newAuthority: newCa });
  if (json) {
    process.stdout.write(`${JSON.stringify(written)}\n`);
    return;
  }
  const authority =
    written.authority === "new" ? "a new authority" : "the authority that was there";
  process.stdout.write(
    `${[
      `wrote ${written.files.join(", ")} to ${written.directory}`,
      `signed by ${authority}, for ${written.hosts.join(", ")}, until ${written.expiresAt}`,
      "callers need ca.crt, and client.* or admin.* or a token; ca.key can be kept elsewhere",
      `next: npx tandem cluster up SCENARIO --certs ${directory}`,
    ].join("\n")}\n`,
  );
}

export interface TokenArguments {
  readonly role: Role;
  readonly name: string;
  readonly file?: string;
  readonly json: boolean;
}

export function token(args: TokenArguments): void {
  const made = createToken(args.role, args.name);
  if (args.file !== undefined) appendToken(args.file, made.line);
  if (args.json) {
    process.stdout.write(`${JSON.stringify({ ...made, file: args.file ?? null })}\n`);
    return;
  }
  // The token alone on stdout, so that a script can take it.
  process.stdout.write(`${made.token}\n`);
  process.stderr.write(
    args.file === undefined
      ? `its line for the tokens file: ${made.line}\n`
      : `its hash was added to ${args.file}; the token itself is shown only now\n`,
  );
}
