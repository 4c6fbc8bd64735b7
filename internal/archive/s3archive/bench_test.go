package s3archive_test

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/archive/archivetest"
	"github.com/seed-56345083/reprise/internal/realservers"
)

func BenchmarkArchive(b *testing.B) {
	archivetest.Bench(b, archivetest.Harness{New: func(tb testing.TB) archivetest.Store { return newStore(tb, realservers.S3(tb)) }})
}

// BenchmarkOpen is what a worker of so many slots gets out of the server: whole small objects, and megabytes from
// anywhere in a large one.
func BenchmarkOpen(b *testing.B) {
	const (
		small = 16 << 10
		large = 64 << 20
		piece = 1 << 20
	)
	s := newStore(b, realservers.S3(b))
	for i := range 100 {
		s.Put(b, fmt.Sprintf("dns/%02d", i), noise(small))
	}
	s.Put(b, "dns/large", noise(large))
	for _, slots := range []int{1, 4, 16} {
		b.Run(fmt.Sprintf("small/slots=%d", slots), func(b *testing.B) {
			b.SetBytes(small)
			inSlots(b, slots, func(i int64) error {
				return s.drain(b, archive.OpenParams{Key: fmt.Sprintf("dns/%02d", i%100)}, small)
			})
		})
		b.Run(fmt.Sprintf("large/slots=%d", slots), func(b *testing.B) {
			b.SetBytes(piece)
			inSlots(b, slots, func(i int64) error {
				return s.drain(b, archive.OpenParams{Key: "dns/large", Offset: i * 7919 % (large - piece)}, piece)
			})
		})
	}
}

// drain reads so many bytes and closes.
func (s *store) drain(b *testing.B, p archive.OpenParams, n int64) error {
	body, err := s.Open(b.Context(), p)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	_, err = io.CopyN(io.Discard, body, n)
	return err
}

// inSlots shares b.N rounds out among goroutines.
func inSlots(b *testing.B, slots int, round func(i int64) error) {
	b.Helper()
	b.ReportAllocs()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range slots {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := round(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
