# The rotator's worker. It writes what services read and its own journals, and nothing else.
# Change "trading/…/limitless/", "rotator/…/journal/" and "rotator/…/account/" when [vault] in rotator.toml names other mounts or prefixes
# (setup.sh does). A credential whose `mount` or `path` lies elsewhere needs the first three blocks once more for it.

# Write a credential, and read back what was written.
path "trading/data/limitless/*" {
  capabilities = ["create", "read", "update"]
}

# Set max_versions and cas_required on a path that nobody wrote yet, and see which versions live. There is no "update":
# the settings of a path that exists belong to whoever made them.
path "trading/metadata/limitless/*" {
  capabilities = ["create", "read"]
}

# Destroy the versions that hold a revoked token's secret. There is no "delete", here or anywhere: deleting metadata
# restarts the version counter, and check-and-set is only as good as that counter.
path "trading/destroy/limitless/*" {
  capabilities = ["update"]
}

path "rotator/data/journal/*" {
  capabilities = ["create", "read", "update"]
}

path "rotator/metadata/journal/*" {
  capabilities = ["create", "read"]
}

# What is durable about whole accounts: pauses, freezes, the last list, announced verdicts. No secret is in it.
path "rotator/data/account/*" {
  capabilities = ["create", "read", "update"]
}

path "rotator/metadata/account/*" {
  capabilities = ["create", "read"]
}
