package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// tagLog keeps what the mirror wrote.
type tagLog struct {
	archive.Archive
	states []string
	err    error
}

func (l *tagLog) MergeTags(ctx context.Context, key string, set map[string]string, remove []string) error {
	l.states = append(l.states, set[archive.TagReplay]+" "+set[archive.TagReplayLine])
	if l.err != nil {
		return l.err
	}
	return l.Archive.MergeTags(ctx, key, set, remove)
}

// TestTags mirrors each state with its line, and leaves other people's tags alone.
func TestTags(t *testing.T) {
	t.Parallel()
	lines := makeLines(2*lookEvery, 10)
	for mode, want := range map[string][]string{
		archive.TagsAll:   {"PROCESSING 0", "PENDING 256", "PROCESSING 256", "PENDING 512", "PROCESSING 512", "FINISHED 512"},
		archive.TagsFinal: {"FINISHED 512"},
		archive.TagsOff:   nil,
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, func(r *ledger.Replay) { r.Tags = mode })
			b.add("dns/a", text(lines))
			if err := b.archive.MergeTags(b.ctx, "dns/a", map[string]string{"team": "blue"}, nil); err != nil {
				t.Fatal(err)
			}
			log := &tagLog{Archive: b.archive}
			before := time.Now().Add(-time.Second)
			b.drain(b.worker(shortest, func(o *Options) { o.Archive = log }))
			if diff := cmp.Diff(want, log.states); diff != "" {
				t.Errorf("states (-want +got):\n%s", diff)
			}
			tags, err := b.archive.Tags(b.ctx, "dns/a")
			if err != nil || tags["team"] != "blue" {
				t.Errorf("tags %v, %v", tags, err)
			}
			if at, err := time.Parse(time.RFC3339, tags[archive.TagStateChange]); mode != archive.TagsOff && (err != nil || at.Before(before)) {
				t.Errorf("STATE_CHANGE is %q", tags[archive.TagStateChange])
			}
		})
	}
}

func TestTagsOfFailed(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.add("dns/a.gz", []byte("\x1f\x8bnot gzip at all"))
	log := &tagLog{Archive: b.archive}
	b.drain(b.worker(func(o *Options) { o.Archive = log }))
	if diff := cmp.Diff([]string{"PROCESSING 0", "FAILED 0"}, log.states); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

// TestNoRoomForTags: ours give way, the cursor says so once, and the work goes on.
func TestNoRoomForTags(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := makeLines(2*lookEvery, 10)
	b.add("dns/a", text(lines))
	theirs := map[string]string{}
	for i := range 9 {
		theirs[fmt.Sprintf("tag%d", i)] = "x"
	}
	if err := b.archive.MergeTags(b.ctx, "dns/a", theirs, nil); err != nil {
		t.Fatal(err)
	}
	notes := 0
	b.drain(b.worker(shortest, func(o *Options) { o.Ledger = &noteCounter{o.Ledger, &notes} }))
	b.wantFinished("dns/a", lines)
	tags, err := b.archive.Tags(b.ctx, "dns/a")
	if err != nil || !maps.Equal(tags, theirs) {
		t.Errorf("tags %v, %v", tags, err)
	}
	if c := b.cursor("dns/a"); notes != 1 || !strings.Contains(c.Note, "no room for the tags") {
		t.Errorf("%d notes, the last %q", notes, c.Note)
	}
}

type noteCounter struct {
	ledger.Ledger
	n *int
}

func (c *noteCounter) Note(ctx context.Context, id ledger.CursorID, note string) error {
	*c.n++
	return c.Ledger.Note(ctx, id, note)
}

// TestTagsFail: the mirror never fails a chunk.
func TestTagsFail(t *testing.T) {
	t.Parallel()
	for _, err := range []error{errFault, archive.ErrThrottled, archive.ErrNotFound, errors.Join(errFault, archive.ErrCold)} {
		b := newBed(t)
		lines := makeLines(300, 10)
		b.add("dns/a", text(lines))
		b.drain(b.worker(func(o *Options) { o.Archive = &tagLog{Archive: o.Archive, err: err} }))
		b.wantFinished("dns/a", lines)
		b.wantIdle()
	}
}
