package replay

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
)

// ErrGate says that a gate is not written as one.
var ErrGate = errors.New("not a gate")

// gate is a bound on what a new generation may have less or more of than the one that serves.
type gate struct {
	text  string
	least float64 // share of the serving rows
	most  float64 // 0: no bound
}

var gateForm = regexp.MustCompile(`^rows ([+-])([0-9]+(?:\.[0-9]+)?)%$`)

// parseGate reads a gate such as "rows -1%": at most 1 % fewer rows in any statistic; "rows +5%": at most 5 % more.
func parseGate(text string) (gate, error) {
	m := gateForm.FindStringSubmatch(text)
	if m == nil {
		return gate{}, fmt.Errorf("%w: %q; write rows -1%% (at most so many fewer rows than serve now) or rows +5%% (at most so many more)", ErrGate, text)
	}
	percent, err := strconv.ParseFloat(m[2], 64)
	if err != nil {
		return gate{}, fmt.Errorf("%w: %q: %w", ErrGate, text, err)
	}
	g := gate{text: text}
	if m[1] == "-" {
		g.least = max(1-percent/100, 0)
	} else {
		g.most = 1 + percent/100
	}
	return g, nil
}

func (g gate) holds(serving, built int64) bool {
	share := float64(built)
	return share >= g.least*float64(serving) && (g.most == 0 || share <= g.most*float64(serving))
}

// checkGates compares what was built with what serves, and says what does not hold; "" where all does, somebody has let
// the replay pass, or nothing serves yet. A statistic that only one of the two has is not compared.
func (d *Driver) checkGates(ctx context.Context, r ledger.Replay) (string, error) {
	if r.Passed != nil {
		return "", nil
	}
	for _, text := range r.Gates {
		g, err := parseGate(text)
		if err != nil {
			return "", err
		}
		for _, part := range r.Protocols {
			if why, err := d.checkGate(ctx, g, r, part); why != "" || err != nil {
				return why, err
			}
		}
	}
	return "", nil
}

func (d *Driver) checkGate(ctx context.Context, g gate, r ledger.Replay, part ledger.ReplayProtocol) (string, error) {
	p, err := d.o.Ledger.Protocol(ctx, part.Name)
	if err != nil {
		return "", fmt.Errorf("reading protocol %s: %w", part.Name, err)
	}
	if p.Serving == 0 || p.Serving == part.Generation {
		return "", nil
	}
	old, err := d.o.Ledger.Generation(ctx, part.Name, p.Serving)
	if err != nil {
		return "", fmt.Errorf("reading generation %d of %s: %w", p.Serving, part.Name, err)
	}
	before, err := d.definition(ctx, part.Name, p.Serving)
	if err != nil {
		return "", err
	}
	now, err := d.definition(ctx, part.Name, part.Generation)
	if err != nil {
		return "", err
	}
	for _, name := range statistics(now) {
		if !slices.Contains(statistics(before), name) {
			continue
		}
		serving, err := d.countRows(ctx, part.Name, name, p.Serving, old.Base)
		if err != nil {
			return "", err
		}
		built, err := d.countRows(ctx, part.Name, name, part.Generation, r.Fold.Number)
		if err != nil {
			return "", err
		}
		if !g.holds(serving, built) {
			return fmt.Sprintf("the gate %q: %s %s would have %d rows, and has %d now; look at reprise diff %s, then reprise finish --pass-gate or cancel",
				g.text, part.Name, name, built, serving, part.Name), nil
		}
	}
	return "", nil
}

// countedKeys is how many keys of live rows a count holds at once, some 20 MB; a count of more takes several passes.
const countedKeys = 1 << 20

// countRows counts a statistic's rows in one generation, as they are merged: a row of the base may stand in any number of
// live parts as well.
func (d *Driver) countRows(ctx context.Context, protocol, statistic string, generation, base int64) (int64, error) {
	c := rowCount{
		d: d, seed: maphash.MakeSeed(),
		of: ledger.RowsParams{Protocol: protocol, Generation: generation, Statistic: statistic, Base: base},
	}
	for shares := uint64(1); ; shares *= 2 {
		n, err := c.count(ctx, shares)
		if errors.Is(err, errTooMany) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("counting the rows of %s %s: %w", protocol, statistic, err)
		}
		return n, nil
	}
}

// rowCount counts rows in bounded memory: it holds the keys of the live parts, those of the base are never twice there.
type rowCount struct {
	d    *Driver
	seed maphash.Seed
	of   ledger.RowsParams
}

var errTooMany = errors.New("too many keys at once")

// count takes the rows in so many shares, one pass each; errTooMany where one of them is too large.
func (c *rowCount) count(ctx context.Context, shares uint64) (n int64, err error) {
	for share := range shares {
		live := map[uint64]struct{}{}
		of := c.of
		for _, of.Base = range slices.Compact([]int64{0, c.of.Base}) { // the live parts alone, then the base with them
			for row, err := range c.d.o.Ledger.Rows(ctx, of) {
				if err != nil {
					return 0, err
				}
				key := maphash.String(c.seed, row.Key)
				_, counted := live[key]
				if key%shares != share || counted {
					continue
				}
				n++
				if of.Base != 0 {
					continue
				}
				if live[key] = struct{}{}; len(live) > c.d.countedKeys {
					return 0, errTooMany
				}
			}
		}
	}
	return n, nil
}

// PassGate lets a replay through its gates by the word of by, which is recorded.
func (d *Driver) PassGate(ctx context.Context, id, by string) (ledger.Replay, error) {
	return d.update(ctx, id, func(r *ledger.Replay) error {
		switch {
		case r.State.Ended() || r.Passed != nil || len(r.Gates) == 0:
			return errUnchanged
		default:
			r.Passed = &ledger.Acceptance{At: time.Now().UTC(), By: by}
			return nil
		}
	})
}
