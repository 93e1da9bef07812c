/** Every route of the gateway. The one explicit list. */
import type { PipelineModels } from "../front/pipeline-models.ts";
import type { ReplicaControl } from "../run/replica-control.ts";
import type { AccessRules } from "../security/access.ts";
import { observeRoutes } from "./observe-routes.ts";
import { oipRoutes } from "./oip-routes.ts";
import { withOpenApi } from "./openapi.ts";
import { replicaRoutes } from "./replica-routes.ts";
import { repositoryRoutes } from "./repository-routes.ts";
import type { Route } from "./route.ts";
import { runRoutes } from "./run-routes.ts";
import { schedulerRoutes } from "./scheduler-routes.ts";

/** Without `control` the deployment's replicas are what they are. */
export function gatewayRoutes(
  models: PipelineModels,
  control: ReplicaControl | null,
  rules: AccessRules,
): readonly Route[] {
  const routes = [
    ...oipRoutes(models),
    ...repositoryRoutes(models),
    ...runRoutes(models.gateway),
    ...schedulerRoutes(models.gateway),
    ...observeRoutes(models.gateway),
    ...(control === null ? [] : replicaRoutes(control)),
  ];
  return withOpenApi(routes, { model: [...models.byName.keys()], version: ["1"] }, rules);
}
