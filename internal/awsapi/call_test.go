package awsapi_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/seed-56345083/reprise/internal/awsapi"
)

// serve starts a server that answers as handle says, and returns settings for its clients. It stands for a broken
// network, not for a service.
func serve(t *testing.T, handle http.HandlerFunc) (aws.Config, string) {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	client := awsapi.HTTPClient(1)
	t.Cleanup(client.GetTransport().CloseIdleConnections)
	return awsapi.Prepare(aws.Config{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), HTTPClient: client,
	}), server.URL
}

// queues returns a call to the server, and how often it was reached.
func queues(t *testing.T, handle func(w http.ResponseWriter, r *http.Request, n int64)) (func(context.Context) (string, error), *atomic.Int64) {
	t.Helper()
	var reached atomic.Int64
	c, url := serve(t, func(w http.ResponseWriter, r *http.Request) { handle(w, r, reached.Add(1)) })
	client := sqs.NewFromConfig(c, func(o *sqs.Options) { o.BaseEndpoint = &url })
	return func(ctx context.Context) (string, error) {
		out, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("q")})
		if err != nil {
			return "", err
		}
		return aws.ToString(out.QueueUrl), nil
	}, &reached
}

func answer(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"QueueUrl":"x"}`) }

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"__type":"`+code+`","message":"no"}`)
}

// hang answers nothing until the client gives up.
func hang(r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func TestCallTriesAgain(t *testing.T) {
	t.Parallel()
	call, reached := queues(t, func(w http.ResponseWriter, r *http.Request, n int64) {
		switch {
		case n == 1:
			hang(r)
		case n <= 4: // more than the SDK's own attempts
			refuse(w, http.StatusServiceUnavailable, "ServiceUnavailable")
		case n == 5:
			refuse(w, http.StatusBadRequest, "ThrottlingException")
		case n == 6: // cut off
			w.Header().Set("Content-Length", "99")
			answer(w)
		default:
			answer(w)
		}
	})
	ctx := awsapi.WithAttemptTimeout(context.Background(), 300*time.Millisecond)
	got, err := awsapi.CallFor(ctx, time.Minute, call)
	if err != nil || got != "x" || reached.Load() < 7 {
		t.Errorf("got %q, %v after %d requests", got, err, reached.Load())
	}
}

func TestCallEnds(t *testing.T) {
	t.Parallel()
	call, _ := queues(t, func(_ http.ResponseWriter, r *http.Request, _ int64) { hang(r) })
	ctx := awsapi.WithAttemptTimeout(context.Background(), 20*time.Millisecond)
	_, err := awsapi.CallFor(ctx, 200*time.Millisecond, call)
	if err == nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("a server that never answers: %v", err)
	}
	gone, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := awsapi.Call(gone, call); !errors.Is(err, context.Canceled) {
		t.Errorf("the caller's end: %v", err)
	}
}

func TestCallRefused(t *testing.T) {
	t.Parallel()
	call, reached := queues(t, func(w http.ResponseWriter, _ *http.Request, _ int64) {
		refuse(w, http.StatusBadRequest, "AccessDeniedException")
	})
	_, err := awsapi.Call(context.Background(), call)
	if awsapi.ErrorCode(err) != "AccessDeniedException" || awsapi.StatusCode(err) != http.StatusBadRequest || awsapi.Throttled(err) || awsapi.Unclear(err) || reached.Load() != 1 {
		t.Errorf("%v after %d requests", err, reached.Load())
	}
	mixed, _ := queues(t, func(w http.ResponseWriter, _ *http.Request, n int64) {
		if n == 1 {
			refuse(w, http.StatusInternalServerError, "InternalFailure")
			return
		}
		refuse(w, http.StatusBadRequest, "AccessDeniedException")
	})
	if _, err := awsapi.Call(context.Background(), mixed); awsapi.ErrorCode(err) != "AccessDeniedException" || !awsapi.Unclear(err) {
		t.Errorf("refused after an error of the server: %v, unclear %v", err, awsapi.Unclear(err))
	}
}

// TestCallThrottled runs in virtual time: no attempt takes any, so that the deadline never comes in the middle of one unless
// that is wanted.
func TestCallThrottled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := virtual(func(*http.Request, int) string { return "ProvisionedThroughputExceededException" })
		began := time.Now()
		if _, err := awsapi.CallFor(t.Context(), time.Minute, slow); !awsapi.Throttled(err) || awsapi.Unclear(err) {
			t.Errorf("throttled to the end: %v", err)
		}
		if took := time.Since(began); took < 50*time.Second || took > time.Minute {
			t.Errorf("gave up after %s, a minute was allowed", took)
		}
		late := virtual(func(r *http.Request, n int) string {
			if n > 1 {
				<-r.Context().Done()
			}
			return "ThrottlingException"
		})
		if _, err := awsapi.CallFor(t.Context(), 4*time.Second, late); awsapi.ErrorCode(err) != "ThrottlingException" || !awsapi.Unclear(err) {
			t.Errorf("throttled, then cut short by the deadline: %v, unclear %t", err, awsapi.Unclear(err))
		}
	})
}

// virtual returns a call to a service that refuses request n, from 1, with a code. There is no network, so that it takes
// the time that the test's clock says.
func virtual(code func(r *http.Request, n int) string) func(context.Context) (string, error) {
	n := 0
	c := awsapi.Prepare(aws.Config{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		HTTPClient: client(func(r *http.Request) (*http.Response, error) {
			n++
			w := httptest.NewRecorder()
			refuse(w, http.StatusBadRequest, code(r, n))
			return w.Result(), r.Context().Err()
		}),
	})
	q := sqs.NewFromConfig(c)
	return func(ctx context.Context) (string, error) {
		_, err := q.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("q")})
		return "", err
	}
}

type client func(*http.Request) (*http.Response, error)

func (c client) Do(r *http.Request) (*http.Response, error) { return c(r) }

// TestBody: the deadline of an attempt is over when its headers are there.
func TestBody(t *testing.T) {
	t.Parallel()
	first := make(chan struct{})
	c, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "2")
		_, _ = io.WriteString(w, "a")
		w.(http.Flusher).Flush()
		select {
		case <-first:
		case <-r.Context().Done():
			return
		}
		_, _ = io.WriteString(w, "b")
	})
	client := s3.NewFromConfig(c, func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = &url, true })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out, err := client.GetObject(awsapi.WithBody(ctx), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	close(first)
	body, err := io.ReadAll(out.Body)
	if err != nil || string(body) != "ab" {
		t.Errorf("read %q, %v", body, err)
	}
	_ = out.Body.Close()
}
