//! The server as a process: time, memory, connections, network, assertions.

use crate::metrics::row::{
    Measure::{Bytes, Kibibytes, Mebibytes, Microseconds, Milliseconds, Of},
    Row, Source, counter, gauge, status, status_by,
};

pub(super) const ROWS: &[Row] = &[
    gauge(
        "uptime",
        Milliseconds,
        "How long the server has been running.",
        status(&["uptimeMillis"]),
    ),
    counter(
        "process.cpu",
        Microseconds,
        "Processor time that the server's process used.",
        status_by("mode", &["extra_info.*_time_us"], &[("user", "user"), ("system", "system")]),
    ),
    counter(
        "process.page_faults",
        Of("{fault}"),
        "Page faults of the server's process that needed the disk.",
        status(&["extra_info.page_faults"]),
    ),
    counter(
        "process.page_reclaims",
        Of("{fault}"),
        "Page faults of the server's process that needed no disk.",
        status(&["extra_info.page_reclaims"]),
    ),
    counter(
        "process.context_switches",
        Of("{switch}"),
        "Context switches of the server's process.",
        status_by(
            "kind",
            &["extra_info.*_context_switches"],
            &[("voluntary", "voluntary"), ("involuntary", "involuntary")],
        ),
    ),
    gauge(
        "process.threads",
        Of("{thread}"),
        "Threads of the server's process.",
        status(&["extra_info.threads"]),
    ),
    gauge(
        "memory.resident",
        Mebibytes,
        "Memory of the server's process that is in RAM, in steps of a mebibyte.",
        status(&["mem.resident"]),
    ),
    gauge(
        "memory.virtual",
        Mebibytes,
        "Address space of the server's process, in steps of a mebibyte.",
        status(&["mem.virtual"]),
    ),
    gauge(
        "memory.resident_maximum",
        Kibibytes,
        "The most memory of the server's process that ever was in RAM.",
        status(&["extra_info.maximum_resident_set_kb"]),
    ),
    gauge(
        "tcmalloc.allocated",
        Bytes,
        "Bytes that the server has allocated and not freed.",
        status(&["tcmalloc.generic.current_allocated_bytes"]),
    ),
    gauge(
        "tcmalloc.heap",
        Bytes,
        "Bytes that the allocator has reserved from the operating system.",
        status(&["tcmalloc.generic.heap_size"]),
    ),
    gauge(
        "tcmalloc.page_heap_free",
        Bytes,
        "Free bytes in the allocator's page heap that still are mapped.",
        status(&["tcmalloc.tcmalloc.pageheap_free_bytes"]),
    ),
    gauge(
        "tcmalloc.page_heap_unmapped",
        Bytes,
        "Free bytes in the allocator's page heap that were given back.",
        status(&["tcmalloc.tcmalloc.pageheap_unmapped_bytes"]),
    ),
    gauge(
        "tcmalloc.thread_caches",
        Bytes,
        "Bytes in the allocator's caches of all threads.",
        status(&["tcmalloc.tcmalloc.current_total_thread_cache_bytes"]),
    ),
    gauge(
        "tcmalloc.central_cache_free",
        Bytes,
        "Free bytes in the allocator's central cache.",
        status(&["tcmalloc.tcmalloc.central_cache_free_bytes"]),
    ),
    gauge(
        "connections.current",
        Of("{connection}"),
        "Connections that are open, from clients and members.",
        status(&["connections.current"]),
    ),
    gauge(
        "connections.available",
        Of("{connection}"),
        "Connections that could still be opened.",
        status(&["connections.available"]),
    ),
    gauge(
        "connections.active",
        Of("{connection}"),
        "Connections with an operation in progress.",
        status(&["connections.active"]),
    ),
    gauge(
        "connections.threaded",
        Of("{connection}"),
        "Connections with a thread of their own.",
        status(&["connections.threaded"]),
    ),
    gauge(
        "connections.exhaust",
        Of("{connection}"),
        "Connections whose last request streams replies to hello.",
        status_by(
            "command",
            &["connections.exhaust*"],
            &[("hello", "Hello"), ("isMaster", "IsMaster")],
        ),
    ),
    gauge(
        "connections.awaiting_topology_changes",
        Of("{connection}"),
        "Connections that wait in hello for a change of the topology.",
        status(&["connections.awaitingTopologyChanges"]),
    ),
    counter(
        "connections.created",
        Of("{connection}"),
        "Connections that were opened since the server started.",
        status(&["connections.totalCreated"]),
    ),
    counter(
        "connections.rejected",
        Of("{connection}"),
        "Connections that the server refused for want of room.",
        status(&["connections.rejected"]),
    ),
    counter(
        "network.received",
        Bytes,
        "Bytes received from clients and members, after decompression.",
        status(&["network.bytesIn"]),
    ),
    counter(
        "network.sent",
        Bytes,
        "Bytes sent to clients and members, before compression.",
        status(&["network.bytesOut"]),
    ),
    counter(
        "network.physical_received",
        Bytes,
        "Bytes received from clients and members, as they were on the wire.",
        status(&["network.physicalBytesIn"]),
    ),
    counter(
        "network.physical_sent",
        Bytes,
        "Bytes sent to clients and members, as they were on the wire.",
        status(&["network.physicalBytesOut"]),
    ),
    counter(
        "network.requests",
        Of("{request}"),
        "Requests received.",
        status(&["network.numRequests"]),
    ),
    counter(
        "network.slow_name_lookups",
        Of("{lookup}"),
        "Name lookups that took longer than a second.",
        status(&["network.numSlowDNSOperations"]),
    ),
    counter(
        "network.slow_tls_handshakes",
        Of("{handshake}"),
        "TLS handshakes that took longer than a second.",
        status(&["network.numSlowSSLOperations"]),
    ),
    counter(
        "network.compressor.input",
        Bytes,
        "Bytes given to the compressor of messages, by algorithm.",
        compression(&["network.compression.*.compressor.bytesIn"]),
    ),
    counter(
        "network.compressor.output",
        Bytes,
        "Bytes that came out of the compressor of messages, by algorithm.",
        compression(&["network.compression.*.compressor.bytesOut"]),
    ),
    counter(
        "network.decompressor.input",
        Bytes,
        "Bytes given to the decompressor of messages, by algorithm.",
        compression(&["network.compression.*.decompressor.bytesIn"]),
    ),
    counter(
        "network.decompressor.output",
        Bytes,
        "Bytes that came out of the decompressor of messages, by algorithm.",
        compression(&["network.compression.*.decompressor.bytesOut"]),
    ),
    counter(
        "asserts",
        Of("{assertion}"),
        "Assertions raised; `user` counts errors that clients caused.",
        status_by(
            "kind",
            &["asserts.*"],
            &[
                ("regular", "regular"),
                ("warning", "warning"),
                ("msg", "msg"),
                ("user", "user"),
                ("tripwire", "tripwire"),
            ],
        ),
    ),
    counter(
        "asserts.rollovers",
        Of("{rollover}"),
        "Times that the counters of assertions went back to zero.",
        status(&["asserts.rollovers"]),
    ),
];

const fn compression(paths: &'static [&'static str]) -> Source {
    status_by("algorithm", paths, &[("snappy", "snappy"), ("zlib", "zlib"), ("zstd", "zstd")])
}
