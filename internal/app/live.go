package app

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/seed-56345083/reprise/internal/config"
)

// State is how a check has ended.
type State string

// The states of a check.
const (
	StateOK      State = "ok"
	StateWarning State = "warning" // it works; but somebody should know
	StateMissing State = "missing" // the roles do not work without it
	StateUnknown State = "unknown" // the service gave no answer to the question
)

// Check is one permission or setting that CheckLive has tried.
type Check struct {
	On    string `json:"on"`              // "queue reprise-work", …
	What  string `json:"what"`            // the permission or the setting
	Roles []Role `json:"roles,omitempty"` // that need the permission
	State State  `json:"state"`
	Why   string `json:"why,omitempty"` // what is, and what to do where it is not well
}

// Holds reports whether the roles can do with it.
func (c Check) Holds() bool { return c.State == StateOK || c.State == StateWarning }

// CheckLive tries every permission and looks at every setting that the roles need, and changes nothing but folders and
// databases of the local backend that are not there yet. It fails where nothing can be asked: without a region, without
// credentials. version is told to services as that of this program.
func CheckLive(ctx context.Context, c config.Config, version string, roles []Role) ([]Check, error) {
	if len(roles) == 0 {
		roles = rolesIn(c)
	}
	for _, r := range roles {
		if !slices.Contains(rolesIn(c), r) {
			return nil, fmt.Errorf("%w: there is no role %s without a live side (live: none in the configuration)", ErrUsage, r)
		}
	}
	if c.Backend == config.BackendAWS {
		return checkAWS(ctx, c, version, roles)
	}
	return checkLocal(ctx, c), ctx.Err()
}

func checkLocal(ctx context.Context, c config.Config) []Check {
	var b backend
	defer func() { _ = b.Close() }()
	databases := Check{On: "backend local", What: "databases open, local.dir can be written", State: StateOK}
	err := b.openLocal(ctx, c.Local)
	if err == nil {
		err = useLocal(ctx, &b, c.Local.Dir)
	}
	if err != nil {
		databases.State, databases.Why = StateMissing, err.Error()
	}
	if b.archive == nil {
		return []Check{databases}
	}
	return []Check{databases, listLocal(ctx, &b, c)}
}

// useLocal reads each database once and writes a file beside them.
func useLocal(ctx context.Context, b *backend, dir string) error {
	if _, err := b.ledger.Replays(ctx); err != nil {
		return fmt.Errorf("local.dir: %w", err)
	}
	if _, err := b.queue.Counts(ctx); err != nil {
		return fmt.Errorf("local.dir: %w", err)
	}
	f, err := os.CreateTemp(dir, ".check-*")
	if err != nil {
		return fmt.Errorf("local.dir: the folder cannot be written, but the databases need it: %w", err)
	}
	_ = f.Close()
	return os.Remove(f.Name())
}

func listLocal(ctx context.Context, b *backend, c config.Config) Check {
	found := Check{
		On: "local.archive " + c.Local.Archive, What: "objects below " + c.Archive.Prefix, State: StateWarning,
		Why: "there is none; archive.prefix and local.archive together name their folder",
	}
	for o, err := range b.archive.List(ctx, c.Archive.Prefix, "") {
		if err != nil {
			found.State, found.Why = StateMissing, err.Error()
		} else {
			found.State, found.Why = StateOK, "the first is "+o.Key
		}
		break
	}
	return found
}
