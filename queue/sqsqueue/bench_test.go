package sqsqueue_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/seed-56345083/reprise/internal/realservers"
	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/queue/queuetest"
)

func BenchmarkQueue(b *testing.B) {
	client := clientOf(b, realservers.SQS(b))
	queuetest.Bench(b, queuetest.Harness{PollsOutliveContext: true, Open: func(t testing.TB) queuetest.Queues {
		work, dead := pair(t, client, queuetest.MaxReceives)
		return queuetest.Queues{Work: work, Dead: dead}
	}})
}

func BenchmarkSend(b *testing.B) {
	work, _ := pair(b, clientOf(b, realservers.SQS(b)), 10)
	batch := make([]queue.Outgoing, queue.MaxBatch)
	for i := range batch {
		batch[i].Body = fmt.Appendf(nil, `{"v":1,"replay":"01JZ","protocol":"dns","key":"logs/dns/%06d.gz","line":0}`, i)
	}
	for b.Loop() {
		check(b, work.Send(context.Background(), batch))
	}
	b.ReportMetric(float64(b.N*queue.MaxBatch)/b.Elapsed().Seconds(), "messages/s")
}
