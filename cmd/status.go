package cmd

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

type statusCommand struct {
	Replay string `arg:"" optional:"" help:"The replay's id. Default: the newest."`
	Watch  bool   `short:"w" help:"Follow it until it is over (exit code 0) or held back (3)."`
	JSON   bool   `help:"Print JSON; with --watch, a line whenever something has changed."`
}

// Run shows one replay, and the live side. Where no replay was started yet there is the live side to be shown.
func (c *statusCommand) Run(e *environment) error {
	a, id, err := e.openReplay(c.Replay)
	if errors.Is(err, errNoReplay) && !c.Watch {
		if side, e2 := a.LiveStatus(e); e2 != nil || side != nil {
			return errors.Join(e2, c.printLive(e, side))
		}
	}
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
	if s.Live == nil { // a replay of another time; the live side is there now
		if s.Live, err = a.LiveStatus(e); err != nil {
			return err
		}
	}
	if c.JSON {
		return e.printJSON(s)
	}
	e.printStatus(s)
	return nil
}

func (c *statusCommand) printLive(e *environment, s *replay.StatusLive) error {
	switch {
	case s == nil:
		return nil
	case c.JSON:
		return e.printJSON(map[string]any{"live": s})
	}
	t := e.newTable("replay", "none yet")
	appendLive(t, s)
	t.Render()
	return nil
}

func appendLive(t table.Writer, s *replay.StatusLive) {
	t.AppendRow(table.Row{"live", s.Lag()})
	for _, p := range s.Protocols {
		t.AppendRow(table.Row{"live " + p.Protocol, p.String()})
	}
}

// counts says of each rule which lines of the archive count.
var counts = map[string]string{
	ledger.RuleAll:    "every line counts, whatever its time",
	ledger.RuleCutoff: "lines up to the cutoff count",
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
	if s.Reuse != "" {
		row("", "%d of the finished were taken over from %s", s.Objects.Reused, s.Reuse)
	}
	if s.Objects.Unmatched > 0 {
		row("", "%d keys fit no layout", s.Objects.Unmatched)
	}
	if s.Objects.Live > 0 {
		row("", "%d more were archived after the start, and are counted live", s.Objects.Live)
	}
	if s.Objects.Changed > 0 {
		row("", "%d had another content when the archive was listed again", s.Objects.Changed)
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
	generation := "generation"
	if s.Side {
		generation = "side generation"
	}
	for _, p := range s.Protocols {
		row(p.Protocol, "%s %d, %d objects, %d lines counted; %s", generation, p.Generation, p.Objects, p.Counted, counts[p.Rule])
	}
	row("queue", "%d visible, %d in flight, %d delayed; %d dead letters", s.Queue.Visible, s.Queue.InFlight, s.Queue.Delayed, s.DeadLetters)
	if s.Live != nil {
		appendLive(t, s.Live)
	}
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
