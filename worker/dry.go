package worker

import "time"

// dryAfter is how long no message is in work before the pool has run dry: from a queue that has any, another one would
// have come by then, or comes soon after and does no harm.
const dryAfter = time.Millisecond

// watchDry calls Options.Dry when no message has been in work for a while, once after each message, until stop.
func (w *Worker) watchDry() (stop func()) {
	if w.o.Dry == nil {
		return func() {}
	}
	w.dry = time.AfterFunc(dryAfter, func() {
		if w.beats.count() == 0 { // otherwise the end of that one begins it anew
			w.o.Dry()
		}
	})
	return func() { w.dry.Stop() }
}

// ended says that a message is no longer in work.
func (w *Worker) ended() {
	if w.dry != nil {
		w.dry.Reset(dryAfter)
	}
}
