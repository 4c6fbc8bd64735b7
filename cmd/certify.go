package cmd

import (
	"fmt"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

type certifyCommand struct {
	Replay  string `arg:"" optional:"" help:"The replay's id. Default: the newest."`
	Objects bool   `help:"Print each object's accounts as well."`
	JSON    bool   `help:"Print JSON."`
}

// Run prints the certificate; a certificate that does not close is a check that did not hold.
func (c *certifyCommand) Run(e *environment) error {
	a, id, err := e.openReplay(c.Replay)
	if err != nil {
		return err
	}
	var each func(ledger.Cursor) error
	accounts := []object{}
	switch {
	case c.Objects && c.JSON:
		each = func(o ledger.Cursor) error {
			accounts = append(accounts, newObject(o))
			return nil
		}
	case c.Objects:
		each = func(o ledger.Cursor) error {
			_, err := fmt.Fprintf(e.out, "%-9s  %s: %d bytes, %d lines read = %d counted + %d after the cutoff + %d rejected; %d blank%s\n",
				o.State, o.Key, o.Size, o.Read, o.Counted, o.AfterCutoff, o.Rejected, o.Blank, remark(o))
			return err
		}
	}
	certificate, err := a.Replays().Certify(e, id, each)
	if err != nil {
		return err
	}
	switch {
	case c.Objects && c.JSON:
		err = e.printJSON(struct {
			*replay.Certificate
			Accounts []object `json:"accounts"`
		}{certificate, accounts})
	case c.JSON:
		err = e.printJSON(certificate)
	default:
		e.printCertificate(certificate)
	}
	if err != nil {
		return err
	}
	if !certificate.Closes() {
		return fmt.Errorf("%w: the accounts of %s do not close", errCheck, id)
	}
	return nil
}

func (e *environment) printCertificate(c *replay.Certificate) {
	fmt.Fprintf(e.out, "replay %s, %s, cutoff %s\n", c.Replay, c.State, c.Cutoff.Format(time.RFC3339Nano))
	t := e.newTable("protocol", "objects", "stored bytes", "read", "counted", "after cutoff", "rejected", "blank", "folded objects", "folded lines", "rows")
	for _, p := range c.Protocols {
		t.AppendRow([]any{p.Protocol, p.Objects, p.Lines.Consumed, p.Lines.Read, p.Lines.Counted, p.Lines.AfterCutoff,
			p.Lines.Rejected, p.Lines.Blank, p.Folded.Objects, p.Folded.Lines, p.Folded.Rows})
	}
	t.Render()
	fate := "left out"
	if c.Accepted == nil && c.Objects.LeftOut > 0 {
		fate = "FAILED" // nobody has said yet that they may be left out
	}
	fmt.Fprintf(e.out, "objects: %d listed = %d finished + %d %s", c.Objects.Listed, c.Objects.Finished, c.Objects.LeftOut, fate)
	if open := c.Objects.Listed - c.Objects.Finished - c.Objects.LeftOut; open > 0 {
		fmt.Fprintf(e.out, " + %d open", open)
	}
	if c.Accepted != nil {
		fmt.Fprintf(e.out, " (accepted by %s on %s)", c.Accepted.By, c.Accepted.At.Format(time.RFC3339))
	}
	fmt.Fprintln(e.out)
	if c.Objects.Reused > 0 {
		fmt.Fprintf(e.out, "%d of the finished were taken over from an earlier replay\n", c.Objects.Reused)
	}
	for _, key := range c.Objects.Failed {
		fmt.Fprintf(e.out, "%s: %s\n", fate, key)
	}
	for _, fault := range c.Faults {
		fmt.Fprintf(e.out, "fault: %s\n", fault)
	}
	if c.Closes() {
		fmt.Fprintln(e.out, "the accounts close")
	}
}
