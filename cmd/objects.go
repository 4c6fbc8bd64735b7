package cmd

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/seed-56345083/reprise/internal/app"
	"github.com/seed-56345083/reprise/internal/ledger"
)

type objectsCommand struct {
	Replay string   `arg:"" optional:"" help:"The replay's id. Default: the newest."`
	State  []string `placeholder:"STATE" help:"Only objects that are pending, processing, finished or failed."`
	JSON   bool     `help:"Print JSON, an object a line."`
}

// object is what --json tells of one.
type object struct {
	Key         string       `json:"key"`
	Protocol    string       `json:"protocol"`
	State       ledger.State `json:"state"`
	Line        int64        `json:"line"`
	Size        int64        `json:"size"`
	StateChange time.Time    `json:"state_change"`
	NoProgress  int          `json:"no_progress"`
	Error       string       `json:"error,omitempty"`
	Note        string       `json:"note,omitempty"`
	Owner       string       `json:"owner,omitempty"`
	Reused      bool         `json:"reused,omitempty"` // taken over from an earlier replay
	ledger.Accounts
	Rejects []ledger.Reject `json:"rejects,omitempty"`
}

func newObject(c ledger.Cursor) object {
	return object{
		Key: c.Key, Protocol: c.Protocol, State: c.State, Line: c.Line, Size: c.Size,
		StateChange: c.StateChange, NoProgress: c.NoProgress, Error: c.Error, Note: c.Note,
		Owner: c.Owner, Reused: c.Reused(), Accounts: c.Accounts, Rejects: c.Rejects,
	}
}

// Run lists a replay's objects; it streams, so that a million of them need no memory.
func (c *objectsCommand) Run(e *environment) error {
	var states []ledger.State
	for _, s := range c.State {
		state := ledger.State(strings.ToUpper(s))
		switch state {
		case ledger.Pending, ledger.Processing, ledger.Finished, ledger.Failed:
			states = append(states, state)
		default:
			return fmt.Errorf("%w: --state: %q is none of pending, processing, finished, failed", app.ErrUsage, s)
		}
	}
	a, id, err := e.openReplay(c.Replay)
	if err != nil {
		return err
	}
	lines := json.NewEncoder(e.out)
	for cursor, err := range a.Ledger().Scan(e, ledger.ScanParams{Replay: id, States: states, Partials: true}) {
		if err != nil {
			return fmt.Errorf("reading the objects of %s: %w", id, err)
		}
		if c.JSON {
			err = lines.Encode(newObject(cursor))
		} else {
			_, err = fmt.Fprintf(e.out, "%-10s  %10d  %s%s\n", cursor.State, cursor.Line, cursor.Key, remark(cursor))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// remark is what there is to say about an object beside its state.
func remark(c ledger.Cursor) string {
	var parts []string
	if c.Error != "" && c.State != ledger.Finished { // of a finished one it is what it got over
		parts = append(parts, c.Error)
	}
	if c.Reused() {
		parts = append(parts, "taken over")
	}
	if c.Rejected > 0 {
		sample := ""
		if len(c.Rejects) > 0 {
			sample = fmt.Sprintf(", such as line %d: %s", c.Rejects[0].Line, c.Rejects[0].Reason)
		}
		parts = append(parts, fmt.Sprintf("%d rejected%s", c.Rejected, sample))
	}
	if c.Note != "" {
		parts = append(parts, c.Note)
	}
	if len(parts) == 0 {
		return ""
	}
	return "  (" + strings.Join(parts, "; ") + ")"
}
