package live

import (
	"errors"
	"fmt"
	"sync"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/stats"
)

// ErrNoGeneration says that a protocol has no generation that is counted live: its entries wait until there is one.
var ErrNoGeneration = errors.New("the protocol has no generation that is counted live")

// Failure is an entry that is not counted in every generation, and why.
type Failure struct {
	ID  string
	Err error
}

// Waits reports whether the entry waits for what trying again soon does not bring: a first generation, or a process that can
// compile the definition of one. It stays in the index, and a sweep counts it then: whoever reads the feed goes on.
func (f Failure) Waits() bool {
	return errors.Is(f.Err, ErrNoGeneration) || errors.Is(f.Err, stats.ErrVersion)
}

// CountError names the entries that are not counted. It wraps the reasons of the first few.
type CountError struct {
	Protocol string
	Of       int // entries that were to be counted
	Failures []Failure
}

// Error names the first entry and its reason.
func (e *CountError) Error() string {
	return fmt.Sprintf("counting entries of %s: %d of %d are not counted, the first %q: %v",
		e.Protocol, len(e.Failures), e.Of, e.Failures[0].ID, e.Failures[0].Err)
}

// Unwrap gives the reasons, each text once and up to ten.
func (e *CountError) Unwrap() []error {
	var errs []error
	seen := map[string]bool{}
	for _, f := range e.Failures {
		if text := f.Err.Error(); !seen[text] && len(errs) < 10 {
			seen[text] = true
			errs = append(errs, f.Err)
		}
	}
	return errs
}

// reasons collects failures by entry, of each the first reason for which trying again makes sense, or the first. The zero value is ready; add may be called by any number of
// goroutines.
type reasons struct {
	mu  sync.Mutex
	why map[string]error
}

func (r *reasons) add(id string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.why == nil {
		r.why = map[string]error{}
	}
	if before := (Failure{id, r.why[id]}); before.Err == nil || before.Waits() {
		r.why[id] = err
	}
}

// all fails every entry of a list.
func (r *reasons) all(list []entries.Entry, err error) {
	for _, e := range list {
		r.add(e.ID, err)
	}
}

// of are the failures in the order of a list, each once.
func (r *reasons) of(list []entries.Entry) []Failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	var failures []Failure
	for _, e := range list {
		if err := r.why[e.ID]; err != nil {
			failures = append(failures, Failure{ID: e.ID, Err: err})
			delete(r.why, e.ID)
		}
	}
	return failures
}
