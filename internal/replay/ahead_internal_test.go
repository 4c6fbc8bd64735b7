package replay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/seed-56345083/reprise/internal/archive"
)

// listed counts the listings that are begun and those that are over.
type listed struct {
	archive.Archive
	keys         []string
	bad          string // this key cannot be listed
	begun, ended int
}

var errListing = errors.New("no listing")

func (l *listed) List(_ context.Context, _, after string) iter.Seq2[archive.Object, error] {
	return func(yield func(archive.Object, error) bool) {
		l.begun++
		defer func() { l.ended++ }()
		for _, key := range l.keys {
			switch {
			case key <= after:
			case key == l.bad:
				yield(archive.Object{}, errListing)
				return
			case !yield(archive.Object{Key: key}, nil):
				return
			}
		}
	}
}

// some takes up to n keys.
func some(a *ahead, after string, n int) (keys []string, err error) {
	for o, e := range a.from(context.Background(), "", after) {
		if e != nil {
			return keys, e
		}
		if keys = append(keys, o.Key); len(keys) == n {
			break
		}
	}
	return keys, nil
}

// TestAhead: pages that follow one another are one listing; one that goes on elsewhere, or after an error, begins anew.
func TestAhead(t *testing.T) {
	t.Parallel()
	l := &listed{keys: []string{"a", "b", "c", "d", "e"}}
	a := &ahead{archive: l}
	for _, c := range []struct {
		after string
		n     int
		want  string
		begun int
	}{
		{"", 2, "[a b]", 1},
		{"b", 2, "[c d]", 1},
		{"d", 2, "[e]", 1}, // to the end
		{"e", 2, "[]", 2},  // the end was seen: anew, and there is nothing
		{"", 1, "[a]", 3},  // the second listing
		{"c", 1, "[d]", 4}, // somebody else has listed the pages between
		{"b", 3, "[c d e]", 5},
	} {
		keys, err := some(a, c.after, c.n)
		if err != nil || fmt.Sprint(keys) != c.want || l.begun != c.begun {
			t.Errorf("%d after %q: %v, %v, listings begun %d; want %s, %d", c.n, c.after, keys, err, l.begun, c.want, c.begun)
		}
	}
	l.bad = "d"
	if keys, err := some(a, "a", 9); !slices.Equal(keys, []string{"b", "c"}) || !errors.Is(err, errListing) {
		t.Errorf("%v, %v", keys, err)
	}
	l.bad = ""
	if keys, err := some(a, "c", 1); fmt.Sprint(keys) != "[d]" || err != nil {
		t.Errorf("after an error: %v, %v", keys, err)
	}
	a.close()
	a.close()
	if l.begun != l.ended {
		t.Errorf("%d listings begun, %d over", l.begun, l.ended)
	}
}
