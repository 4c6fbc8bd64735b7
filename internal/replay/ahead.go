package replay

import (
	"context"
	"iter"

	"github.com/seed-56345083/reprise/internal/archive"
)

// ahead is the listing of an archive from page to page: it goes on where the page before has ended, instead of being begun
// anew, so that an archive that fetches ahead does so while a page is written down. It belongs to one goroutine and must
// be closed.
type ahead struct {
	archive archive.Archive
	at      string // the last key handed out
	next    func() (archive.Object, error, bool)
	stop    func()
}

// from yields the objects whose key is greater than after. All calls must have the same prefix, and a context that lasts.
func (a *ahead) from(ctx context.Context, prefix, after string) iter.Seq2[archive.Object, error] {
	return func(yield func(archive.Object, error) bool) {
		if a.next == nil || a.at != after {
			a.close()
			a.next, a.stop = iter.Pull2(a.archive.List(ctx, prefix, after))
		}
		for {
			object, err, more := a.next()
			if !more || err != nil {
				a.close() // of an error nothing can be said but that it must be begun anew
			}
			if !more {
				return
			}
			if a.at = object.Key; !yield(object, err) || err != nil {
				return
			}
		}
	}
}

func (a *ahead) close() {
	if a.stop != nil {
		a.stop()
	}
	a.next, a.stop = nil, nil
}
