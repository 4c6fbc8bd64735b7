package replay_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/seed-56345083/reprise/internal/ledger"
)

// rows reads the statistic of a protocol as text and number; generation 0 serves.
func (s *system) rows(protocol string, generation int64) map[string]string {
	s.t.Helper()
	p, err := s.driver("reader", nil).Read(context.Background(), protocol, "queries", generation)
	if err != nil {
		s.t.Fatal(err)
	}
	rows := map[string]string{}
	for r := range p.Rows() {
		rows[r.Dims[0].Text] = string(r.MeasuresJSON())
	}
	return rows
}

func count(n map[string]int) map[string]string {
	rows := map[string]string{}
	for q, n := range n {
		rows[q] = fmt.Sprintf(`{"n":%d}`, n)
	}
	return rows
}

// wantRows compares the rows of a generation with a count made by hand.
func (s *system) wantRows(protocol string, generation int64, want map[string]int) {
	s.t.Helper()
	if got := s.rows(protocol, generation); !maps.Equal(got, count(want)) {
		s.t.Errorf("rows of generation %d of %s: %v, want %v", generation, protocol, got, want)
	}
}

// wantFinished checks everything that a replay leaves behind when it is over.
func (s *system) wantFinished(id string) {
	s.t.Helper()
	ctx := context.Background()
	r := s.replay(id)
	if r.State != ledger.Finished || !r.Promoted || r.Waits != "" {
		s.t.Errorf("replay is %s, promoted %t, waits %q", r.State, r.Promoted, r.Waits)
	}
	for _, part := range r.Protocols {
		p := s.protocol(part.Name)
		if p.Serving != part.Generation || p.Complete != part.Generation || p.Building != 0 || p.Replay != "" || p.Previous == p.Serving {
			s.t.Errorf("protocol %+v, want generation %d to serve and no replay", p, part.Generation)
		}
		g, err := s.ledger.Generation(ctx, part.Name, part.Generation)
		if err != nil || g.Base != r.Fold.Number || g.Base == 0 {
			s.t.Errorf("the base of %s is %d, %v, want fold %d", part.Name, g.Base, err, r.Fold.Number)
		}
	}
	c, err := s.driver("auditor", nil).Certify(ctx, id, nil)
	if err != nil || !c.Closes() {
		s.t.Errorf("certificate: %+v, %v", c, err)
	}
	s.wantNoTags()
}

// wantNoTags looks for tags of the mirror on every object.
func (s *system) wantNoTags() {
	s.t.Helper()
	for o, err := range s.files.List(context.Background(), "", "") {
		if err != nil {
			s.t.Fatal(err)
		}
		tags, err := s.files.Tags(context.Background(), o.Key)
		if err != nil || len(tags) > 0 {
			s.t.Errorf("%s bears the tags %v, %v", o.Key, tags, err)
		}
	}
}

func wantError(t *testing.T, err, want error, words ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}
