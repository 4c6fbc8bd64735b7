package worker

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestDry: the pool says that it has run out of messages when none has been in work for a while, and not before.
func TestDry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		said := 0
		w := &Worker{o: Options{Dry: func() { said++ }}}
		w.beats.init(w.o)
		stop := w.watchDry()
		want := func(when string, n int) {
			t.Helper()
			<-time.After(10 * dryAfter)
			synctest.Wait()
			if said != n {
				t.Errorf("%s: said %d times, want %d", when, said, n)
			}
		}
		want("nothing has come yet", 1)
		w.beats.hold("a", nil)
		w.beats.hold("b", nil)
		w.beats.drop("a")
		w.ended()
		want("one of two is done", 1)
		w.beats.drop("b")
		for range 3 {
			w.ended()
			<-time.After(dryAfter / 2)
		}
		want("both are done", 2)
		stop()
		want("the pool has stopped", 2)
	})
}
