# One Vault server with storage on disk. For more than one server, or a hardware or cloud key that unseals it, use your
# own Vault: the worker needs nothing of this file but an address.
ui            = false
disable_mlock = true # recommended with raft; switch the host's swap off instead
api_addr      = "https://vault:8200"
cluster_addr  = "https://vault:8201"

storage "raft" {
  path                   = "/vault/file"
  node_id                = "vault-1"
  performance_multiplier = 1
}

listener "tcp" {
  address       = "0.0.0.0:8200"
  tls_cert_file = "/run/secrets/vault_cert"
  tls_key_file  = "/run/secrets/vault_key"
}
