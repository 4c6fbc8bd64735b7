package app

import (
	"testing"

	"github.com/seed-56345083/reprise/internal/realservers"
)

func TestLambdaOnAWS(t *testing.T) {
	t.Parallel()
	text := `
backend: aws
live: {slots: 2}
aws:
  region: ` + realservers.Region + `
  endpoint_url: {sqs: "` + realservers.SQS(t) + `", s3: "` + realservers.S3(t) + `", dynamodb: "` + realservers.DynamoDB(t) + `"}
  queue: ` + realservers.Unique(t, "work") + `
  dead_letter_queue: ` + realservers.Unique(t, "dead") + `
  bucket: ` + realservers.Unique(t, "logs") + `
  tables: {meta: ` + realservers.Unique(t, "meta") + `, cursors: ` + realservers.Unique(t, "cursors") + `, stats: ` + realservers.Unique(t, "stats") +
		`, incoming: ` + realservers.Unique(t, "incoming") + `}`
	a := openApp(t, t.TempDir(), text, provision)
	checkLambda(t, a)
}
