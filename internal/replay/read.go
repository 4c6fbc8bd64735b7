package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/stats"
)

// ErrUnknown says that there is no such protocol, statistic or generation to be read.
var ErrUnknown = errors.New("nothing to read")

// Read returns the rows of one statistic: the base that the generation names, merged with the live parts. Generation 0
// is the one that serves; one that is being built has its rows once they are folded.
func (d *Driver) Read(ctx context.Context, protocol, statistic string, generation int64) (*stats.Partial, error) {
	p, err := d.o.Ledger.Protocol(ctx, protocol)
	if err != nil {
		return nil, fmt.Errorf("reading protocol %s: %w", protocol, err)
	}
	if generation == 0 {
		generation = p.Serving
	}
	if generation == 0 {
		return nil, fmt.Errorf("%w: protocol %s has no generation that serves yet%s", ErrUnknown, protocol, hint(p))
	}
	if generation < 0 || generation > p.Epoch {
		return nil, fmt.Errorf("%w: protocol %s has no generation %d", ErrUnknown, protocol, generation)
	}
	g, err := d.o.Ledger.Generation(ctx, protocol, generation)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, fmt.Errorf("%w: protocol %s has no generation %d", ErrUnknown, protocol, generation)
	}
	if err != nil {
		return nil, fmt.Errorf("reading generation %d of %s: %w", generation, protocol, err)
	}
	if g, err = d.built(ctx, p, g); err != nil {
		return nil, err
	}
	definition, err := stats.DecodeDefinition(g.Definition)
	if err != nil {
		return nil, fmt.Errorf("generation %d of %s: %w", generation, protocol, err)
	}
	if names := statistics(definition); !slices.Contains(names, statistic) {
		return nil, fmt.Errorf("%w: generation %d of %s has no statistic %q; it has %s", ErrUnknown, generation, protocol, statistic, strings.Join(names, ", "))
	}
	program, err := stats.CompileRows(definition) // whoever reads counts no lines
	if err != nil {
		return nil, fmt.Errorf("generation %d of %s: %w", generation, protocol, err)
	}
	for {
		rows, err := d.rows(ctx, program, g, statistic)
		if err != nil {
			return nil, err
		}
		// Asked after the rows: a fold or a purge that came before they were all read has taken some of them.
		now, err := d.o.Ledger.Generation(ctx, protocol, generation)
		if err != nil {
			return nil, fmt.Errorf("reading generation %d of %s: %w", generation, protocol, err)
		}
		if p, err = d.o.Ledger.Protocol(ctx, protocol); err != nil {
			return nil, fmt.Errorf("reading protocol %s: %w", protocol, err)
		}
		if now, err = d.built(ctx, p, now); err != nil {
			return nil, err
		}
		if now.Base != g.Base {
			g = now
			continue
		}
		if !g.Side && !slices.Contains(p.Gens, generation) {
			return nil, fmt.Errorf("%w: generation %d of %s was given up or replaced by later ones, its rows are removed", ErrUnknown, generation, protocol)
		}
		return rows, nil
	}
}

// built returns a generation with the base by which it is to be read. Of one that nobody reads yet that is the fold of its
// replay, as soon as all parts of it are in: so whoever decides about a gate sees what the gate has counted.
func (d *Driver) built(ctx context.Context, p ledger.Protocol, g ledger.Generation) (ledger.Generation, error) {
	if g.Number != p.Building || g.Number == p.Serving {
		return g, nil
	}
	r, err := d.o.Ledger.Replay(ctx, p.Replay)
	if err != nil {
		return g, fmt.Errorf("reading replay %s, which builds generation %d of %s: %w", p.Replay, g.Number, g.Protocol, err)
	}
	if r.State != ledger.Folding || !r.Fold.Listed || r.Fold.Interim { // an interim fold is looked at before it is shown
		return g, nil
	}
	s, err := d.o.Ledger.Summarize(ctx, r.ID)
	if err != nil {
		return g, fmt.Errorf("counting the parts of fold %d of %s: %w", r.Fold.Number, r.ID, err)
	}
	if s.Parts[r.Fold.Number][ledger.Finished] == int64(len(r.Fold.Parts)) {
		g.Base = r.Fold.Number
	}
	return g, nil
}

// rows merges the base that a generation names with the live parts.
func (d *Driver) rows(ctx context.Context, program *stats.Program, g ledger.Generation, statistic string) (*stats.Partial, error) {
	rows := program.NewPartial()
	for row, err := range d.o.Ledger.Rows(ctx, ledger.RowsParams{Protocol: g.Protocol, Generation: g.Number, Statistic: statistic, Base: g.Base}) {
		if err != nil {
			return nil, fmt.Errorf("reading %s of %s: %w", statistic, g.Protocol, err)
		}
		if err := rows.MergeRow(row.Statistic, row.FullDims(), row.State); err != nil {
			return nil, fmt.Errorf("reading row %s of %s: %w", row.Key, statistic, err)
		}
	}
	return rows, nil
}

func statistics(d stats.Definition) []string {
	var names []string
	for _, s := range d.Stats {
		names = append(names, s.Name)
	}
	return names
}

// hint says why nothing serves, as far as the record tells.
func hint(p ledger.Protocol) string {
	switch {
	case p.Version == 0:
		return "; it has never been replayed or counted live (reprise list names those that have)"
	case p.Building != 0:
		return fmt.Sprintf("; generation %d is being built by %s", p.Building, p.Replay)
	default:
		return ""
	}
}
