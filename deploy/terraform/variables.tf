variable "scenario" {
  description = "The scenario that is deployed."
  type        = string
}

variable "folder" {
  description = "Folder of the deployment: its inventory, its state and its logs. The gateway runs on this machine."
  type        = string
}

variable "machines" {
  description = "Machines behind SSH, by name. Keys come from the agent or from the files that the SSH configuration names."
  type = map(object({
    host    = optional(string)
    user    = optional(string)
    port    = optional(number)
    jump    = optional(string)
    node    = optional(string)
    cores   = optional(string)
    devices = optional(map(list(object({ gpu = optional(number), cores = optional(string) }))))
  }))
}

variable "nodes" {
  description = "The machine of each node of the scenario, one for each of its count. Empty: replicas take machines in turn."
  type        = map(list(string))
  default     = {}
}

variable "ssh_config" {
  description = "An SSH configuration file; null: the user's own."
  type        = string
  default     = null
}

variable "cache" {
  description = "Folder on the machines for what they are sent; null: ~/.cache/tandem."
  type        = string
  default     = null
}

variable "replicas" {
  description = "Replicas of each task: at least as many as the scenario has, at most `spare` more."
  type        = map(number)
  default     = {}
}

variable "initial" {
  description = "Replicas of each task that the scenario has."
  type        = map(number)
  default     = {}
}

variable "spare" {
  description = "Replicas of each task that can be added."
  type        = number
  default     = 8
}

variable "backend" {
  description = "What workers run: real models, or replayed times."
  type        = string
  default     = "real"
}

variable "gateway_port" {
  description = "REST port of the gateway; gRPC is the next."
  type        = number
  default     = 8000
}

variable "tandem" {
  description = "The command; null: that of the installation which this module is a part of."
  type        = string
  default     = null
}
