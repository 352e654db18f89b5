"""The networks that have a name: where their bootstraps are, so that one option joins one of them.

The bootstraps' TXT records hold their addresses, which change; their peer ids are what is trusted.
"""

NETWORKS = {
    "none": (),
    "kwaainet": (
        "/dnsaddr/bootstrap.kwaai.ai/p2p/QmQhRuheeCLEsVD3RsnknM75gPDDqxAb8DhnWgro7KhaJc",
        "/dnsaddr/bootstrap.kwaai.ai/p2p/Qmd3A8N5aQBATe2SYvNikaeCS9CAKN4E86jdCPacZ6RZJY",
    ),
}
