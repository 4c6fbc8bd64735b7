package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/seed-56345083/reprise/internal/replay"
)

type statusCommand struct {
	Replay string `arg:"" optional:"" help:"The replay's id. Default: the newest."`
	Watch  bool   `short:"w" help:"Follow it until it is over (exit code 0) or held back (3)."`
	JSON   bool   `help:"Print JSON; with --watch, a line whenever something has changed."`
}

// Run shows one replay.
func (c *statusCommand) Run(e *environment) error {
	a, id, err := e.openReplay(c.Replay)
	if err != nil {
		return err
	}
	if c.Watch {
		return follow(e, a, id, c.JSON)
	}
	s, err := a.Replays().Status(e, id)
	if err != nil {
		return err
	}
	if c.JSON {
		return e.printJSON(s)
	}
	e.printStatus(s)
	return nil
}

func (e *environment) printStatus(s replay.Status) {
	t := e.newTable("replay", s.Replay)
	row := func(name, format string, args ...any) { t.AppendRow([]any{name, fmt.Sprintf(format, args...)}) }
	row("state", "%s since %s", s.State, s.Changed.Format(time.RFC3339))
	if s.Waits != "" {
		row("waits for", "%s", s.Waits)
	}
	row("cutoff", "%s", s.Cutoff.Format(time.RFC3339Nano))
	listed := ""
	if !s.Objects.ListedAll {
		listed = " so far"
	}
	row("objects", "%d listed%s: %d pending, %d processing, %d finished, %d failed", s.Objects.Listed, listed,
		s.Objects.Pending, s.Objects.Processing, s.Objects.Finished, s.Objects.Failed)
	if s.Objects.Unmatched > 0 {
		row("", "%d keys fit no layout", s.Objects.Unmatched)
	}
	if s.Accepted > 0 {
		row("", "%d failed objects are accepted as left out", s.Accepted)
	}
	row("lines", "%d read: %d counted, %d after the cutoff, %d rejected, %d blank", s.Lines.Read,
		s.Lines.Counted, s.Lines.AfterCutoff, s.Lines.Rejected, s.Lines.Blank)
	row("bytes", "%s of %s stored, %s uncompressed", humanBytes(s.Bytes.Read), humanBytes(s.Bytes.Listed), humanBytes(s.Lines.Bytes))
	if s.LinesPerSecond > 0 {
		row("rate", "%.0f lines/s, %s/s, %d workers", s.LinesPerSecond, humanBytes(int64(s.BytesPerSecond)), s.Workers)
	}
	if s.SecondsLeft != nil {
		row("time left", "about %s", (time.Duration(*s.SecondsLeft * float64(time.Second))).Round(time.Second))
	}
	if s.Fold.Number > 0 {
		row("fold", "number %d: %d of %d parts", s.Fold.Number, s.Fold.Finished, s.Fold.Parts)
	}
	for _, p := range s.Protocols {
		row(p.Protocol, "generation %d, %d objects, %d lines counted, rule: %s", p.Generation, p.Objects, p.Counted, p.Rule)
	}
	row("queue", "%d visible, %d in flight, %d delayed; %d dead letters", s.Queue.Visible, s.Queue.InFlight, s.Queue.Delayed, s.DeadLetters)
	t.Render()
}

// humanBytes writes an amount of bytes for people: 1.5 MiB.
func humanBytes(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/1024, 0
	for value >= 1024 && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", value), ".0") + " " + units[unit:unit+1] + "iB"
}
