package cmd

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/seed-56345083/reprise/internal/app"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

type planCommand struct {
	Protocol []string `short:"p" placeholder:"NAME" help:"Plan for this protocol only; may be given several times. Default: all that are configured."`
	Cutoff   string   `placeholder:"TIME" help:"The last instant that would count, RFC 3339. Default: now."`
	Since    string   `placeholder:"TIME" help:"Only objects whose key names a time after it."`
	Until    string   `placeholder:"TIME" help:"Only objects whose key names a time before it."`
	Prefix   string   `placeholder:"KEY" help:"Only objects whose key begins so."`
	Reuse    string   `placeholder:"REPLAY" help:"Plan a start that takes over from this earlier replay: what would be taken over is counted, and not read."`
	Workers  int      `placeholder:"N" default:"1" help:"How many worker processes there will be, with the slots of the configuration; on AWS each on a machine like this one."`
	JSON     bool     `help:"Print JSON."`
}

// Run lists the archive, reads a sample of it and prints what a replay of the whole would come to.
func (c *planCommand) Run(e *environment) error {
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
	if c.Workers < 1 {
		return fmt.Errorf("%w: --workers: %d is below 1", app.ErrUsage, c.Workers)
	}
	a, err := e.open(zapcore.WarnLevel)
	if err != nil {
		return err
	}
	bar := newBar(e, "plan")
	plan, err := a.Plan(e, c.Protocol, c.Workers, func(doing string, n, most int64) {
		if most > 0 {
			bar.show("%s %d of %d objects", doing, n, most)
			return
		}
		bar.show("%s %d objects", doing, n)
	}, func(p *replay.StartParams) { p.Cutoff, p.Narrow, p.Reuse = cutoff, narrow, c.Reuse })
	bar.stop()
	if err != nil {
		return err
	}
	if c.JSON {
		return e.printJSON(plan)
	}
	c.print(e, &plan)
	return nil
}

func (c *planCommand) print(e *environment, plan *replay.Plan) {
	if c.Reuse != "" {
		printTaken(e, plan)
	}
	t := e.newTable("protocol", "objects", "stored", "sampled", "text", "lines", "rejected", "after cutoff", "rows", "partial of an object")
	for i, x := range plan.Protocols {
		s, n := plan.Sampled[i], float64(x.Objects-x.Reused)
		t.AppendRow([]any{
			x.Protocol, grouped(n), humanBytes(x.Bytes - x.ReusedBytes), fmt.Sprintf("%s of %s", grouped(float64(s.Objects)), grouped(n)),
			between(s.Text, bytesText), between(s.Lines, rounded), percent(s.Rejected), percent(s.After), between(s.Rows, rounded), between(s.Partial, bytesText),
		})
	}
	t.Render()
	fmt.Fprintln(e.out)
	if len(plan.Calls) > 0 {
		t = e.newTable("what", "how many", "$")
		for _, c := range plan.Calls {
			t.AppendRow([]any{c.What, between(c.Number, rounded), between(c.Dollars, dollars)})
		}
		t.AppendRow([]any{"in all", "", between(*plan.Dollars, dollars)})
		t.Render()
		fmt.Fprintln(e.out)
	}
	t = e.newTable("in all", "")
	t.AppendRow([]any{"lines", between(plan.Lines, rounded)})
	t.AppendRow([]any{"rows", between(plan.Rows, rounded)})
	if plan.Disk != nil {
		t.AppendRow([]any{"on disk, beside the archive", between(*plan.Disk, bytesText)})
	}
	whose := "each"
	if plan.Disk != nil { // the embedded backend: its processes share this machine
		whose = "in all"
	}
	t.AppendRow([]any{"time", fmt.Sprintf("%s, with %s of %s, %s %s", between(plan.Seconds, duration), plural(plan.Workers, "worker process", "worker processes"),
		plural(plan.Slots, "slot", "slots"), plural(plan.Cores, "processor", "processors"), whose)})
	t.Render()
	planNotes(e, plan)
}

// printTaken shows what need not be read; the other figures are of the rest.
func printTaken(e *environment, plan *replay.Plan) {
	t := e.newTable("protocol", "taken over", "bytes taken over", "to be read")
	for _, x := range plan.Protocols {
		t.AppendRow([]any{x.Protocol, grouped(float64(x.Reused)), humanBytes(x.ReusedBytes), grouped(float64(x.Objects - x.Reused))})
	}
	t.Render()
	fmt.Fprintln(e.out)
}

// planNotes tell what the figures rest on, and what they leave out.
func planNotes(e *environment, plan *replay.Plan) {
	fmt.Fprintf(e.err, "left out: %d outside, %d of other protocols, %d that fit no layout\n", plan.Outside, plan.Others, plan.Unmatched)
	for i, s := range plan.Sampled {
		x := plan.Protocols[i]
		switch {
		case x.Reused > 0 && x.Reused == x.Objects:
			fmt.Fprintf(e.err, "%s: all of it would be taken over\n", s.Protocol)
		case s.Whole && x.Reused > 0:
			fmt.Fprintf(e.err, "%s: all that is not taken over was read\n", s.Protocol)
		case s.Whole:
			fmt.Fprintf(e.err, "%s: all of it was read\n", s.Protocol)
		default:
			fmt.Fprintf(e.err, "%s: from %s of %s objects, %s of %s\n", s.Protocol, grouped(float64(s.Objects)), grouped(float64(x.Objects-x.Reused)),
				humanBytes(s.Bytes), humanBytes(x.Bytes-x.ReusedBytes))
		}
		if s.Cold > 0 {
			fmt.Fprintf(e.err, "%s: %s objects (%s) are in a cold storage class and cannot be read unless they are restored first; nothing of them is in the figures\n",
				s.Protocol, grouped(float64(s.Cold)), humanBytes(s.ColdBytes))
		}
		if s.Unreadable > 0 {
			fmt.Fprintf(e.err, "%s: %d of the sampled objects cannot be read, and would fail\n", s.Protocol, s.Unreadable)
		}
		if s.Skipped > 0 {
			fmt.Fprintf(e.err, "%s: %d of the sampled objects could not be read now, and were left out of the sample\n", s.Protocol, s.Skipped)
		}
		for _, reason := range s.Reasons {
			fmt.Fprintf(e.err, "  %s\n", reason)
		}
	}
	if plan.Prices != "" {
		fmt.Fprintf(e.err, "%s, without machines, traffic to other regions and what is stored; calls take 5 to 20 ms\n", plan.Prices)
	}
	if plan.Side {
		fmt.Fprintln(e.err, "it would fill side generations, which are never promoted")
	}
}

// between is a range, or one figure where its ends look the same.
func between(r replay.Range, text func(float64) string) string {
	low, high := text(r.Low), text(r.High)
	if low == high {
		return low
	}
	return low + " to " + high
}

func bytesText(x float64) string { return humanBytes(int64(x)) }

func percent(share float64) string {
	if share > 0 && share < 0.0001 {
		return "< 0.01 %"
	}
	return strconv.FormatFloat(share*100, 'f', 2, 64) + " %"
}

func dollars(x float64) string {
	if x < 0.01 && x > 0 {
		return "< 0.01"
	}
	return strconv.FormatFloat(x, 'f', 2, 64)
}

func duration(seconds float64) string {
	d := time.Duration(min(seconds, math.MaxInt32) * float64(time.Second))
	switch {
	case d < time.Second: // no sample tells so little apart
		return "< 1s"
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	default:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
}

// rounded has three digits, or all of them below a hundred thousand: a sample tells no more.
func rounded(x float64) string {
	switch {
	case x < 1e5:
		return grouped(x)
	case x < 999.5e3:
		return strconv.FormatFloat(x/1e3, 'f', 0, 64) + " thousand"
	case x < 999.5e6:
		return strconv.FormatFloat(x/1e6, 'g', 3, 64) + " million"
	default:
		return strconv.FormatFloat(x/1e9, 'f', 2, 64) + " billion"
	}
}

// grouped has its digits in threes.
func grouped(x float64) string {
	digits := strconv.FormatFloat(x, 'f', 0, 64)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
