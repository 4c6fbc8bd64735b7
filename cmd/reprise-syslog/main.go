// Command reprise-syslog is reprise with a consumer of its own: it reads syslog lines as RFC 5424 has them, which no format
// of the configuration describes. It is an example of what you build yourself; docs/consumers.md tells how.
package main

import "github.com/seed-56345083/reprise/cmd"

func main() { cmd.Main() }
