package awsapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/seed-56345083/reprise/internal/awsapi"
)

// TestObserver: each attempt is told of, with what became of it.
func TestObserver(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
	answers := []func(http.ResponseWriter, *http.Request){
		func(w http.ResponseWriter, _ *http.Request) { refuse(w, 503, "ServiceUnavailable") },
		func(w http.ResponseWriter, _ *http.Request) { refuse(w, 400, "ThrottlingException") },
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, // the connection breaks
		func(w http.ResponseWriter, _ *http.Request) { answer(w) },
		func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "AccessDenied") },
	}
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		next := answers[0]
		answers = answers[1:]
		mu.Unlock()
		next(w, r)
	}))
	t.Cleanup(server.Close)
	var told []string
	settings, err := awsapi.Load(t.Context(), awsapi.Options{Region: "us-east-1", Connections: 1, Observer: func(service, operation, result string) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, fmt.Sprint(service, " ", operation, " ", result))
	}})
	if err != nil {
		t.Fatal(err)
	}
	client := sqs.NewFromConfig(settings, func(o *sqs.Options) { o.BaseEndpoint = &server.URL })
	for _, fails := range []bool{false, true} {
		_, err := awsapi.CallFor(t.Context(), time.Minute, func(ctx context.Context) (*sqs.GetQueueUrlOutput, error) {
			return client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("q")})
		})
		if (err != nil) != fails {
			t.Fatal(err)
		}
	}
	var want []string
	for _, result := range []string{"failed", "throttled", "failed", "ok", "refused"} {
		want = append(want, "SQS GetQueueUrl "+result)
	}
	if !slices.Equal(told, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
	}
}
