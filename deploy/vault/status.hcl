# For status pages and dashboards: when each credential was last written and how many versions live. No secret.

path "trading/metadata/limitless/*" {
  capabilities = ["list", "read"]
}

path "rotator/metadata/journal/*" {
  capabilities = ["list", "read"]
}

path "rotator/metadata/account/*" {
  capabilities = ["list", "read"]
}
