package cmd

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/seed-56345083/reprise/internal/app"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

type startCommand struct {
	Protocol  []string      `short:"p" placeholder:"NAME" help:"Replay this protocol only; may be given several times. Default: all that are configured."`
	Cutoff    string        `placeholder:"TIME" help:"The last instant that counts, RFC 3339. Default: now."`
	Since     string        `placeholder:"TIME" help:"Only objects whose key names a time after it. Fills a side generation."`
	Until     string        `placeholder:"TIME" help:"Only objects whose key names a time before it. Fills a side generation."`
	Prefix    string        `placeholder:"KEY" help:"Only objects whose key begins so. Fills a side generation: never promoted, read by its number."`
	Cutover   string        `enum:"complete,immediate" default:"complete" help:"When readers move to the new statistics: when they are complete, or immediate (clear now, watch them fill)."`
	FoldEvery time.Duration `placeholder:"TIME" help:"Fold what is finished so far this often, so that the totals move. Default: 1m with --cutover immediate, else at the end only."`
	Gate      []string      `placeholder:"GATE" help:"Hold the replay back at its end unless this holds against what serves: 'rows -1%' (at most 1 % fewer rows in any statistic), 'rows +5%'."`
	Epoch     int64         `placeholder:"N" help:"Open the new generations under this number, or a later one. For an archive that was written under another Meta table: above all epochs in its keys."`
	Reuse     string        `placeholder:"REPLAY" help:"Take over what this earlier replay has counted of objects that have not changed, under the same definition and rule, instead of reading them again."`
	DryRun    bool          `help:"List and count what would be replayed, and change nothing."`
	JSON      bool          `help:"With --dry-run: print JSON."`
	Wait      bool          `help:"Follow the replay until it is finished or held back."`
}

// Run opens a replay, lists and enqueues the archive, and prints the id.
func (c *startCommand) Run(e *environment) error {
	cutoff, err := parseTime(c.Cutoff)
	if err != nil {
		return fmt.Errorf("%w: --cutoff: %w", app.ErrUsage, err)
	}
	narrow := ledger.Narrow{Prefix: c.Prefix}
	if narrow.Since, err = parseTime(c.Since); err != nil {
		return fmt.Errorf("%w: --since: %w", app.ErrUsage, err)
	}
	if narrow.Until, err = parseTime(c.Until); err != nil {
		return fmt.Errorf("%w: --until: %w", app.ErrUsage, err)
	}
	if c.FoldEvery < 0 {
		return fmt.Errorf("%w: --fold-every: %v is below 0; use a time such as 1m, or leave it out", app.ErrUsage, c.FoldEvery)
	}
	if c.Epoch < 0 {
		return fmt.Errorf("%w: --epoch: %d is below 1; use a number above all epochs in the keys of the archive, or leave it out", app.ErrUsage, c.Epoch)
	}
	a, err := e.open(zapcore.WarnLevel)
	if err != nil {
		return err
	}
	if c.Cutover == "immediate" && c.FoldEvery == 0 {
		c.FoldEvery = time.Minute
	}
	change := func(p *replay.StartParams) {
		p.Cutoff, p.Narrow, p.Gates = cutoff, narrow, c.Gate
		p.Immediate, p.FoldEvery, p.Epoch, p.Reuse = c.Cutover == "immediate", c.FoldEvery, c.Epoch, c.Reuse
	}
	if c.DryRun {
		dry, err := a.DryRun(e, c.Protocol, change)
		if err != nil {
			return err
		}
		return c.printDryRun(e, dry)
	}
	if err := a.CheckStart(e, c.Protocol, change); err != nil { // before anything is done
		return err
	}
	if err := c.archive(e, a); err != nil {
		return err
	}
	id, err := a.Start(e, c.Protocol, change)
	if err != nil {
		return err
	}
	fmt.Fprintln(e.out, id)
	if err := c.list(e, a, id); err != nil {
		return err
	}
	if !c.Wait {
		return nil
	}
	return follow(e, a, id, false)
}

// archive moves what is counted to the archive, so that there is less to count live while the replay runs.
func (c *startCommand) archive(e *environment, a *app.App) error {
	if !a.HasLive() {
		return nil
	}
	fmt.Fprintln(e.err, "archiving what is in the incoming table")
	all, err := a.ArchiveFirst(e)
	if err == nil && !all {
		fmt.Fprintln(e.err, "it takes longer than live.drain; the replay begins with what is there, the rest is counted live")
	}
	return err
}

// list lists and enqueues the archive, and says which rule applies to each protocol and what is waited for.
func (c *startCommand) list(e *environment, a *app.App, id string) error {
	if a.HasLive() {
		r, err := a.Ledger().Replay(e, id)
		if err != nil {
			return fmt.Errorf("reading replay %s: %w", id, err)
		}
		for _, p := range r.Protocols {
			fmt.Fprintln(e.err, rule(r, p))
		}
	}
	bar := newBar(e, "listing")
	said := ""
	err := a.Continue(e, id, func(r ledger.Replay) {
		if r.State != ledger.Starting || r.Waits == "" {
			bar.counting("listed %d objects", r.Listing.Objects)
			return
		}
		if bar.show("waiting for %s", r.Waits); !bar.on && r.Waits != said {
			said = r.Waits
			fmt.Fprintln(e.err, "waiting for", r.Waits)
		}
	})
	bar.stop()
	switch {
	case errors.Is(err, ledger.ErrHeld): // a watcher lists it
		return nil
	case err == nil:
		return c.sayReused(e, a, id)
	default:
		return fmt.Errorf("replay %s is open but not listed to its end; reprise watch or run goes on: %w", id, err)
	}
}

// sayReused says how much of the archive need not be read.
func (c *startCommand) sayReused(e *environment, a *app.App, id string) error {
	if c.Reuse == "" {
		return nil
	}
	r, err := a.Ledger().Replay(e, id)
	if err != nil {
		return fmt.Errorf("reading replay %s: %w", id, err)
	}
	fmt.Fprintf(e.err, "%d of %d objects (%s of %s) are taken over from %s, %d are to be read\n", r.Listing.Reused, r.Listing.Objects,
		humanBytes(r.Listing.ReusedBytes), humanBytes(r.Listing.Bytes), c.Reuse, r.Listing.Objects-r.Listing.Reused)
	return nil
}

// rule says how a replay and the live side share the lines of a protocol.
func rule(r ledger.Replay, p ledger.ReplayProtocol) string {
	text := fmt.Sprintf("%s, generation %d: ", p.Name, p.Generation)
	if p.Rule == ledger.RuleAll {
		text += fmt.Sprintf("every line of objects begun before this start (epochs below %d) counts in the replay", p.Generation)
	} else {
		text += "lines up to " + r.Cutoff.Format(time.RFC3339Nano) + " count in the replay"
	}
	switch {
	case r.Side:
		return text + "; it fills a side generation, in which nothing is counted live"
	case p.Others:
		return text + ", later ones live; others archive it, so the archive is listed again after " + r.Listing.Again.Format(time.RFC3339)
	default:
		return text + ", everything else live"
	}
}

func (c *startCommand) printDryRun(e *environment, d replay.DryRun) error {
	if c.JSON {
		return e.printJSON(d)
	}
	header := []any{"protocol", "objects", "bytes"}
	if c.Reuse != "" {
		header = append(header, "taken over", "bytes taken over")
	}
	t := e.newTable(header...)
	for _, p := range d.Protocols {
		row := []any{p.Protocol, p.Objects, humanBytes(p.Bytes)}
		if c.Reuse != "" {
			row = append(row, p.Reused, humanBytes(p.ReusedBytes))
		}
		t.AppendRow(row)
	}
	t.Render()
	fmt.Fprintf(e.err, "left out: %d outside, %d of other protocols, %d that fit no layout\n", d.Outside, d.Others, d.Unmatched)
	if d.Side {
		fmt.Fprintln(e.err, "it would fill side generations, which are never promoted")
	}
	return nil
}

func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return t, fmt.Errorf("%q is not a time such as 2026-03-01T12:00:00Z", s)
	}
	if t.IsZero() { // which would mean now
		return t, fmt.Errorf("%q is before all logs", s)
	}
	return t, nil
}
