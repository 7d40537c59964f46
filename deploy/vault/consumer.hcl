# One trading service: it reads its own credential, and nothing else. A template: put the mount and the path of one
# credential in, and write one policy for each service, which anyone can then read and understand by itself:
#
#   sed -e 's|CONSUMERS_MOUNT|trading|' -e 's|CONSUMERS_PATH|limitless/market-maker|' consumer.hcl |
#     vault policy write limitless-consumer-market-maker -
#
# (setup.sh does that for every path in CONSUMER_PATHS.) Services that log in with an identity of their own can share
# one policy instead: "trading/data/limitless/{{identity.entity.metadata.credential}}".

path "CONSUMERS_MOUNT/data/CONSUMERS_PATH" {
  capabilities = ["read"]
}
