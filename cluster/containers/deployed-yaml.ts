/** YAML for Docker and Kubernetes, whose readers take `no` for false and `1:20` for eighty, as YAML 1.1 does. */
import { Document } from "yaml";

export function deployedYaml(value: object): string {
  const document = new Document(value, { version: "1.1", aliasDuplicateObjects: false });
  document.directives = undefined;
  return document.toString({ lineWidth: 0 });
}
