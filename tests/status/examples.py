"""Answers as a node gives them, with every room and with the fewest."""

ID = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"
OTHER = "12D3KooWJFtdhbokGFUbzZdkq1xHsRGXmMuMrLdnk2ykvEPykEq7"
RSA = "QmaCpDMGvV2BGHeYERUEnRQAwe3N8SzbUtfsmvsqQLuvuJ"

STATUS = {
    "version": "0.1.0",
    "peer_id": ID,
    "uptime": 11532.4,
    "mode": "relay",
    "mode_reason": "others use 83% of the WAN",
    "step": {"cause": "wan", "new_work": False, "rate": 131072, "seconds": 90},
    "data_dir": "/var/lib/kwaainet",
    "decision": {
        "mode": "light",
        "tier": 2,
        "roles": ["inference", "relay"],
        "blocks": [1, 2],
        "relay_memory": 1006632960,
        "relay_reservations": 2048,
        "relay_circuits": 2048,
        "cache_size": 0,
        "contribution": [20, 40],
        "reasons": [
            "It copies 2680 MB/s, enough for 3 blocks in 0.5 s a token.",
            "Its disk (sd) is no place for a full node's cache.",
        ],
    },
    "nat": "public",
    "addresses": {
        "listening": ["/ip4/0.0.0.0/tcp/4001", "/ip6/::/tcp/4001"],
        "missing": ["/ip4/10.9.9.9/tcp/4001"],
        "advertised": ["/ip4/203.0.113.5/tcp/4001"],
        "observed": [
            {"address": "/ip4/203.0.113.5/tcp/4001", "peers": 3, "confirmed": True},
            {"address": "/ip6/2001:db8::5/tcp/4001", "peers": 1, "confirmed": False},
        ],
    },
    "memory": {
        "rss": 24117248,
        "anonymous": 15728640,
        "peak": 25165824,
        "limit": 67108864,
        "short": True,
        "profile": "little-memory",
        "profile_reason": "61 MiB of memory",
    },
    "qos": {
        "dscp": {"relay": "le", "control": "cs1"},
        "priority": 1,
        "mark": 0,
        "refused": ["mark"],
        "rate": 1048576,
        "backoff": "line",
        "hooks": {"ran": 2, "failed": 0},
        "wan": {
            "interface": "pppoe-wan",
            "own_up": 1048576,
            "own_down": 1100000,
            "others_up": 2097152,
            "others_down": 65536,
            "delay": 3.4,
            "probe": "icmp",
        },
    },
    "connections": {"open": 14, "pending": 1, "max": 512, "peers": 12, "protocol_errors": 2},
    "reservations": {
        "held": 9,
        "max": 128,
        "wanted": 2,
        "own": [
            {"relay": OTHER, "expires_in": 2710, "addresses": ["/ip4/198.51.100.7/tcp/4001"]},
        ],
    },
    "circuits": {"open": 2, "total": 41, "max": 256, "max_duration": 0, "max_data": 0},
    "bytes": {"relayed": 1324097536, "to_listeners": 1288490188, "to_dialers": 35607348},
    "refusals": {
        "connections": {"handshake_timeout": 2, "connections_per_ip": 31},
        "relay": {"no_reservation": 4},
    },
    "flash": {"written": 12288},
    "machine": {"memory_used": 0.41, "cpu": 0.07, "wan": 0.83},
}

PROFILE = {
    "model": "Raspberry Pi 400 Rev 1.0",
    "machine": "aarch64",
    "system": "debian",
    "container": "docker",
    "memory": 3972844748,
    "memory_available": 3650722202,
    "memory_limit": 2147483648,
    "swap": 104853504,
    "zram": 52426752,
    "cpu": "Cortex-A72",
    "cores": 4,
    "cpu_limit": 1.5,
    "cpu_mhz": 1800,
    "fpu": True,
    "vector": ["asimd"],
    "copy_speed": 2680000000,
    "gpu": "other",
    "gpu_name": "v3d\x1b[31m",
    "disk": "sd",
    "disk_size": 31268536320,
    "disk_free": 20132659200,
    "disk_wear": 10,
    "temperature": 57.6,
    "throttled": True,
    "power": "battery",
    "charge": 87,
    "charging": True,
    "wan": "eth0",
    "wan_speed": 1000,
    "lan_speed": 100,
}

SPARSE = {
    "version": "0.1.0",
    "peer_id": ID,
    "uptime": 2.5,
    "mode": "relay",
    "mode_reason": "",
    "data_dir": "/tmp/kwaainet",
    "addresses": {"listening": []},
    "memory": {},
    "connections": {"open": 0, "pending": 0, "max": 512, "peers": 0, "protocol_errors": 0},
    "refusals": {"connections": {}},
}

PEERS = {
    "total": 4,
    "peers": [
        {
            "peer_id": ID,
            "remote": "/ip4/192.0.2.1/tcp/4001",
            "direct": True,
            "initiator": False,
            "connections": 2,
            "streams": 3,
            "age": 7305.0,
            "rtt": 12.345,
            "agent": "kwaainet-edge/0.1.0",
            "reserved": True,
            "circuits": 1,
            "bytes_from": 1073741824,
            "bytes_to": 2048,
            "circuits_ended": 3,
            "seconds": 61.5,
            "refusals": {"no_reservation": 1},
        },
        {
            "peer_id": OTHER,
            "remote": "/ip6/2001:db8::7/tcp/52114",
            "direct": True,
            "initiator": False,
            "connections": 1,
            "streams": 0,
            "age": 59.0,
            "rtt": 0.4,
            "agent": "go-libp2p\x1b]0;owned\x07\u202e",
            "reserved": False,
            "circuits": 0,
            "bytes_from": 0,
            "bytes_to": 0,
            "circuits_ended": 0,
            "seconds": 0.0,
            "refusals": {},
        },
        {
            "peer_id": RSA,
            "remote": f"/ip4/198.51.100.7/tcp/4001/p2p/{OTHER}/p2p-circuit/p2p/{RSA}",
            "direct": False,
            "initiator": True,
            "connections": 1,
            "streams": 1,
            "age": 3.0,
            "reserved": False,
            "circuits": 0,
            "bytes_from": 0,
            "bytes_to": 0,
            "circuits_ended": 0,
            "seconds": 0.0,
            "refusals": {},
        },
    ],
}

CONNECTED = {
    "peer_id": ID,
    "remote": "/ip4/192.0.2.1/tcp/4001",
    "direct": True,
    "limited": False,
    "agent": "js-libp2p/3.0.0 \x1b[31m",
    "protocols": ["/ipfs/id/1.0.0", "/x/\x9b2J\r\n/\u202etxt"],
}

PINGS = [
    {
        "peer_id": ID,
        "remote": "/ip4/192.0.2.1/tcp/4001",
        "direct": True,
        "limited": False,
        "rtt": rtt,
    }
    for rtt in (12.345, 20.0)
]
PINGS.insert(1, {"error": "no answer within 5 s"})
