package worker

import (
	"runtime"
	"testing"
)

// A processor is to spare while fewer messages are in work than there are slots, and processors.
func TestSpare(t *testing.T) {
	t.Parallel()
	cpus := runtime.GOMAXPROCS(0)
	for _, slots := range []int{1, 2, 3, cpus, 4 * cpus} {
		w := &Worker{o: Options{Slots: slots}}
		for busy := range slots + 1 {
			w.busy.Store(int64(busy))
			if want := busy < slots && busy < cpus; w.spare() != want {
				t.Errorf("%d of %d slots busy on %d processors: spare is %t", busy, slots, cpus, w.spare())
			}
		}
	}
}
