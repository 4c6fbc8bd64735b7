package demo

import "fmt"

// Config is the configuration that replays the archive: local.dir is where the databases go, archive is what
// Generate was given as Dir. Its statistics are those that Manifest.Expected has, and use every measure there is.
func Config(dir, archive string) string { return fmt.Sprintf(config, dir, archive) }

const config = `# The configuration of ` + "`reprise demo`" + `.
backend: local
local:
  dir: %q
  archive: %q
archive:
  prefix: logs/
  layout: "{protocol}/{yyyy}/{mm}/{dd}/{hh}-{rest}"
worker:                                 # short, so that the demo shows a killed worker's work come back
  slots: 1
  visibility_timeout: 3s
  chunk_time: 2s
  reserve: 1s

protocols:
  dns:                                  # Zeek's dns.log as JSON
    format: json
    timestamp: ts
    stats:
      queries:
        by: [minute, qtype_name, rcode_name]
        measures:
          queries: count
          answered: count(rtt)
          rtt_sum: sum(rtt)
          rtt_min: min(rtt)
          rtt_max: max(rtt)
          rtt: histogram(rtt, ` + dnsLatencyBounds + `)
          clients: distinct(id.orig_h)
      failures:
        where: rcode != 0
        by: [query]
        measures:
          failures: count
          first: min(ts)
          last: max(ts)
          clients: distinct(id.orig_h)

  web:                                  # Apache's and nginx's combined log
    format: combined
    stats:
      traffic:
        by: [hour, status]
        measures:
          requests: count
          signed_in: count(user)
          bytes_sum: sum(bytes)
          smallest: min(bytes)
          largest: max(bytes)
          log_bytes: sum(@bytes)
          visitors: distinct(remote_addr)
      pages:
        where: method == "GET" && status < 400
        by: [path]
        measures:
          hits: count
          sizes: histogram(bytes, 1000, 10000, 100000)
          first: min(time)
          last: max(time)
          visitors: distinct(remote_addr)

  app:                                  # an application's logfmt, the time in seconds since 1970
    format: logfmt
    timestamp: ts
    layout: unix
    stats:
      requests:
        by: [hour, service, level]
        measures:
          lines: count
          errors: count(error)
          duration_sum: sum(duration)
          fastest: min(duration)
          slowest: max(duration)
          durations: histogram(duration, 0.01, 0.1, 0.5, 1)
          users: distinct(user)
      slow:
        where: duration > 0.5
        by: [day, route]
        measures:
          lines: count
          duration_sum: sum(duration)
          first: min(ts)
          last: max(ts)
          users: distinct(user)
`
