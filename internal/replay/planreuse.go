package replay

import (
	"context"
	"fmt"
	"math"

	"github.com/seed-56345083/reprise/internal/ledger"
)

// loan is what would be taken over of a protocol, as the cursors of the earlier replay tell.
type loan struct {
	objects float64
	bytes   float64 // of their partials
	units   float64 // write units of their cursors
	rows    float64 // of their partials, each for itself
	most    float64 // of one of them
	seen    float64 // of all objects of the earlier replay, as its workers have reported them; 0: not known
}

func (l *loan) add(old *ledger.Cursor) {
	rows := float64(old.Rows)
	l.objects++
	l.bytes += float64(len(old.Partial))
	for _, sealed := range old.Segments {
		l.bytes += float64(sealed.Bytes)
	}
	l.units += math.Ceil(float64(cursorBytes+len(old.Key)+len(old.Partial)) / 1024)
	l.rows += rows
	l.most = max(l.most, rows)
}

// widen adds the rows of what is taken over to those of what is read. Nobody knows how many the two have in common, nor those
// of an object with another's.
func (l *loan) widen(rows Range) Range {
	more := l.rows
	if l.seen > 0 {
		more = max(l.most, min(more, l.seen*(1+sketchError)))
	}
	return Range{max(rows.Low, l.most), rows.High + more}
}

// seen asks what an earlier replay has reported of rows.
func (d *Driver) seen(ctx context.Context, replay string, loans map[string]*loan) error {
	if replay == "" {
		return nil
	}
	reports, err := d.o.Ledger.Progress(ctx, replay)
	if err != nil {
		return fmt.Errorf("reading the progress of %s: %w", replay, err)
	}
	for protocol, l := range loans {
		l.seen = float64(rowsReported(reports, protocol))
	}
	return nil
}
