package sqsqueue

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/seed-56345083/reprise/queue"
)

// TestReceiveAsksForTheTrace: SQS gives the attributes that it is asked for, and no others; fauxqs gives all.
func TestReceiveAsksForTheTrace(t *testing.T) {
	t.Parallel()
	var asked struct{ MessageAttributeNames []string }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(body, &asked)
		_, _ = io.WriteString(w, `{}`)
	}))
	t.Cleanup(server.Close)
	q := &Queue{name: "work", url: server.URL + "/work", client: sqs.New(sqs.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	})}
	if _, err := q.Receive(context.Background(), queue.ReceiveParams{Max: 1, Visibility: time.Second}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(asked.MessageAttributeNames, []string{"traceparent"}) {
		t.Errorf("asked for the attributes %q", asked.MessageAttributeNames)
	}
}
