package replay_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/internal/stats"
)

func TestOpenLive(t *testing.T) {
	t.Parallel()
	l := newLively(t)
	ctx := context.Background()
	l.put("logs/ssl/1", "a")
	l.replayed("ssl")
	before := l.protocol("ssl")
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			if err := l.beside(fmt.Sprint("process ", i), jitterTap()).OpenLive(ctx, params("dns", "ssl", "web").Protocols); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if p := l.protocol("ssl"); p.Version != before.Version {
		t.Errorf("a protocol that was there has become %+v", p)
	}
	for _, name := range []string{"dns", "web"} {
		p := l.protocol(name)
		if p.Version != 1 || p.Epoch != 1 || !slices.Equal(p.Gens, []int64{1}) || p.Complete != 1 || p.Serving != 1 ||
			p.Building != 0 || p.Previous != 0 || p.Replay != "" || !p.Cutoff.IsZero() {
			t.Errorf("protocol %+v", p)
		}
		g, err := l.ledger.Generation(ctx, name, 1)
		def := definition(name)
		if err != nil || string(g.Definition) != string(def.Encode()) || g.Hash != def.Hash() || g.Replay != "" || g.Base != 0 || g.Side || !g.Cutoff.IsZero() {
			t.Errorf("generation %+v, %v", g, err)
		}
	}
	l.live("dns", l.arrive("dns", "a", "b", "a")...)
	l.wantAll("dns", 0, 1)
}

// TestOpenLiveReply loses the reply of the write, or the write itself.
func TestOpenLiveReply(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]cut{"before": {}, "after": {after: true}} {
		for _, reply := range []error{errCut, ledger.ErrConflict} {
			t.Run(fmt.Sprint(name, " ", reply), func(t *testing.T) {
				t.Parallel()
				l := newLively(t)
				first := true
				d := l.beside("one", &tap{hook: func(now call) error {
					if now.name == "Write" && now.after == c.after && first {
						first = false
						return reply
					}
					return nil
				}})
				err := d.OpenLive(context.Background(), params("dns").Protocols)
				if name == "before" && errors.Is(reply, errCut) {
					wantError(t, err, errCut)
					err = d.OpenLive(context.Background(), params("dns").Protocols)
				}
				if p := l.protocol("dns"); err != nil || p.Version != 1 || p.Serving != 1 {
					t.Errorf("%v, %+v", err, p)
				}
			})
		}
	}
}

// TestOpenLiveMany opens more protocols than one write can hold, and refuses all where one has no meaning.
func TestOpenLiveMany(t *testing.T) {
	t.Parallel()
	l := newLively(t)
	var names []string
	for i := range ledger.MaxWrite + 1 {
		names = append(names, fmt.Sprintf("p%03d", i))
	}
	d := l.beside("one", nil)
	p := params(names...).Protocols
	bad := slices.Clone(p)
	bad[7].Definition = stats.Definition{Protocol: "bad"}
	if err := d.OpenLive(context.Background(), bad); err == nil || !strings.Contains(err.Error(), "bad") {
		t.Errorf("a definition that does not compile: %v", err)
	}
	if err := d.OpenLive(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	all, err := l.ledger.Protocols(context.Background())
	if err != nil || len(all) != len(names) {
		t.Errorf("%d protocols, %v", len(all), err)
	}
}

// TestOpenLiveAfterCancel: a protocol whose only replay was cancelled counts live as one that was never seen, under a number of
// its own.
func TestOpenLiveAfterCancel(t *testing.T) {
	t.Parallel()
	l := newLively(t)
	l.put("logs/dns/old.log", "old")
	bare := l.driver("bare", nil)
	r := l.start(bare, params("dns"))
	if _, err := bare.Cancel(context.Background(), r.ID); err != nil {
		t.Fatal(err)
	}
	l.opened("dns")
	l.opened("dns") // changes nothing
	p := l.protocol("dns")
	if p.Epoch != 2 || !slices.Equal(p.Gens, []int64{2}) || p.Serving != 2 || p.Complete != 2 {
		t.Errorf("protocol %+v", p)
	}
}

// TestLiveReplay replays a protocol whose entries are in every state that there is, and keep coming: each line counts once
// in both generations.
func TestLiveReplay(t *testing.T) {
	t.Parallel()
	l := newLively(t)
	ctx := context.Background()
	d := l.opened("dns")
	done, open, claimed := l.arrive("dns", "done", "x"), l.arrive("dns", "open", "x"), l.arrive("dns", "claimed", "x")
	counted, left := l.arrive("dns", "counted", "x"), l.arrive("dns", "left", "x")
	l.live("dns", slices.Concat(done, open, claimed, counted)...)
	l.write(l.batch("dns", done...).ID)
	opened, frozen := l.batch("dns", open...), l.batch("dns", claimed...)
	if _, err := l.entries.ClaimBatch(ctx, frozen.ID); err != nil {
		t.Fatal(err)
	}
	r := l.open(d, params("dns"))
	if part := r.Protocols[0]; part.Rule != ledger.RuleAll || part.Generation != 2 || part.Others || !r.Live || r.Side {
		t.Errorf("replay %+v", r)
	}

	look(t, d)
	l.wantWaits(r.ID, ledger.Starting, "2 of dns", opened.Opened.Format(time.RFC3339))
	during := l.arrive("dns", "during", "x")
	l.live("dns", during...)
	if e, err := l.entries.Read(ctx, during[:1]); err != nil || !slices.Equal(e[0].Gens, []int64{1, 2}) {
		t.Errorf("entry %+v, %v", e, err)
	}
	later := l.batch("dns", during...)
	l.write(later.ID) // the second generation's own, before the first page is listed
	l.write(frozen.ID)
	look(t, d)
	l.wantWaits(r.ID, ledger.Starting, "1 of dns")
	if sum := l.summary(r.ID); sum.Total().Objects != 0 {
		t.Errorf("listed while a batch is open: %+v", sum)
	}
	l.write(opened.ID)
	look(t, d)
	if now := l.replay(r.ID); now.State != ledger.Running || now.Listing.Objects != 3 || now.Listing.Live != 1 || !now.Listing.Done {
		t.Fatalf("%s, waits %q, listing %+v", now.State, now.Waits, now.Listing)
	}
	l.count("dns", []int64{1}, l.arrive("dns", "in the old one only")...)
	l.finish(d, r.ID)
	if !slices.Contains(l.swept, "dns") {
		t.Error("promoted without a sweep")
	}
	l.wantAll("dns", 0, 1, 2)
	if e, err := l.entries.Read(ctx, left); err != nil || !slices.Equal(e[0].Gens, []int64{1, 2}) {
		t.Errorf("entry %+v, %v", e, err)
	}
	l.live("dns", l.arrive("dns", "after", "x")...)
	l.wantAll("dns", 0, 1, 2)
	if p := l.protocol("dns"); !slices.Equal(p.Gens, []int64{1, 2}) || p.Previous != 1 {
		t.Errorf("protocol %+v", p)
	}
}

// wantWaits wants a replay in a state, waiting for something in these words, also as Held and Status tell it.
func (l *lively) wantWaits(id string, state ledger.State, words ...string) {
	l.t.Helper()
	r := l.replay(id)
	status, err := l.beside("asker", nil).Status(context.Background(), id)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, word := range words {
		if r.State != state || !strings.Contains(status.Waits, word) {
			l.t.Errorf("%s is %s and waits for %q (record: %q), want %s and %q", id, r.State, status.Waits, r.Waits, state, word)
		}
	}
}

// heldNow tells whether a replay is held, with what it says.
func (l *lively) heldNow(d *replay.Driver, id string) (bool, string) {
	l.t.Helper()
	states, err := d.Held(context.Background())
	if err != nil {
		l.t.Fatal(err)
	}
	for _, h := range states {
		if h.Replay == id {
			return h.Held, h.Why
		}
	}
	l.t.Fatalf("%s is over", id)
	return false, ""
}
