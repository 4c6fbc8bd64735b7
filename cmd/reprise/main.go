// Command reprise replays log archives into fresh statistics, exactly once, while the live stream keeps running.
package main

import "github.com/seed-56345083/reprise/cmd"

func main() { cmd.Main() }
