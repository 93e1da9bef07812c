# A deployment behind SSH, from one variable file: `apply` starts it, a changed count of replicas adds or removes just
# those, `destroy` leaves nothing. Built-in providers only, so that it works on a closed network. No key is in the
# state: the OpenSSH client uses the agent or the files of its configuration.

terraform {
  required_version = ">= 1.4"
}

locals {
  # In an installed package this module lies in dist/. A command by its name alone could be a stranger's.
  dist   = "${abspath(path.module)}/../../${fileexists("${path.module}/../../cli/tandem.js") ? "" : "dist/"}"
  tandem = var.tandem != null ? var.tandem : "node '${local.dist}cli/tandem.js'"

  # An inventory of kind ssh is YAML, of which JSON is a part. Attributes that are not given are left out.
  machines = {
    for name, machine in var.machines : name => {
      for key, value in machine : key => value if value != null && key != "devices"
    }
  }
  devices = {
    for name, machine in var.machines : name => {
      devices = {
        for kind, slots in machine.devices : kind => [
          for slot in slots : { for key, value in slot : key => value if value != null }
        ]
      }
    } if machine.devices != null
  }
  inventory = merge(
    {
      kind     = "ssh"
      machines = { for name, machine in local.machines : name => merge(machine, lookup(local.devices, name, {})) }
    },
    length(var.nodes) == 0 ? {} : { nodes = var.nodes },
    var.cache == null ? {} : { cache = var.cache },
    var.ssh_config == null ? {} : { config = abspath(var.ssh_config) },
  )

  # One key for each replica beyond the scenario's own, so that a changed count touches just those.
  added = toset(flatten([
    for task, count in var.replicas : [
      for number in range(lookup(var.initial, task, 0) + 1, count + 1) : "${task}-${number}"
    ]
  ]))
}

resource "terraform_data" "cluster" {
  triggers_replace = {
    inventory = jsonencode(local.inventory)
    scenario  = filesha256(var.scenario)
    backend   = var.backend
    port      = var.gateway_port
    spare     = var.spare
  }
  # Provisioners that destroy may use this resource's own values only.
  input = { folder = abspath(var.folder), tandem = local.tandem }

  provisioner "local-exec" {
    command = join(" && ", [
      "mkdir -p \"$FOLDER\" && cd \"$FOLDER\"",
      "printf '%s\\n' \"$INVENTORY\" > inventory.json",
      "${local.tandem} check \"$SCENARIO\" --on inventory.json",
      "${local.tandem} cluster up \"$SCENARIO\" --on inventory.json --backend ${var.backend} --port ${var.gateway_port} --spare ${var.spare}",
    ])
    environment = {
      FOLDER    = self.input.folder
      INVENTORY = jsonencode(local.inventory)
      SCENARIO  = abspath(var.scenario)
    }
  }

  provisioner "local-exec" {
    when        = destroy
    command     = "cd \"$FOLDER\" && ${self.output.tandem} cluster down && rm -f inventory.json"
    environment = { FOLDER = self.output.folder }
  }
}

resource "terraform_data" "replica" {
  for_each = local.added
  # A new cluster has none of them.
  triggers_replace = terraform_data.cluster.id
  input = {
    folder = abspath(var.folder)
    tandem = local.tandem
    task   = replace(each.key, "/-[0-9]+$/", "")
  }

  # The gateway gives the replica its name, which the folder keeps for its removal.
  provisioner "local-exec" {
    command = "cd \"$FOLDER\" && mkdir -p replicas && ${local.tandem} cluster add \"$TASK\" --json > \"replicas/$KEY.json\""
    environment = {
      FOLDER = self.input.folder
      TASK   = self.input.task
      KEY    = each.key
    }
  }

  # A replica of a cluster that is gone is gone as well.
  provisioner "local-exec" {
    when       = destroy
    on_failure = continue
    command = join(" && ", [
      "cd \"$FOLDER\"",
      "name=$(sed 's/.*\"name\":\"\\([^\"]*\\)\".*/\\1/' \"replicas/$KEY.json\")",
      "${self.output.tandem} cluster remove \"$name\"",
      "rm -f \"replicas/$KEY.json\"",
    ])
    environment = {
      FOLDER = self.output.folder
      KEY    = each.key
    }
  }
}

output "gateway" {
  description = "REST address of the gateway."
  value       = "http://127.0.0.1:${var.gateway_port}"
}

output "inventory" {
  description = "The inventory that `--on` of the commands takes."
  value       = "${abspath(var.folder)}/inventory.json"
}
