package awsapi_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/seed-56345083/reprise/internal/awsapi"
)

var errSeen = errors.New("seen")

// doer does with a request what net/http does where an answer comes early: the SDK closes the body, then net/http reads
// on to find its end.
type doer func(*http.Request) error

func (d doer) Do(r *http.Request) (*http.Response, error) { return nil, d(r) }

// TestClosedBody: a body that is closed before it was read to its end ends without an error, which would cost the answer.
func TestClosedBody(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	calls := map[string]func(aws.Config) error{
		"sqs": func(c aws.Config) error {
			_, err := sqs.NewFromConfig(c).SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: aws.String("http://127.0.0.1:1/q"), MessageBody: aws.String("body")})
			return err
		},
		"s3": func(c aws.Config) error {
			_, err := s3.NewFromConfig(c).PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("key"), Body: strings.NewReader("body")})
			return err
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			end := doer(func(r *http.Request) error {
				first := make([]byte, r.ContentLength)
				if _, err := io.ReadFull(r.Body, first); err != nil || !strings.Contains(string(first), "body") {
					t.Errorf("the body is %q, %v", first, err)
				}
				if err := r.Body.Close(); err != nil {
					t.Error(err)
				}
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					t.Errorf("reading the closed body: %v, which makes net/http close the connection under the answer", err)
				}
				return errSeen
			})
			c := awsapi.Prepare(aws.Config{
				Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), HTTPClient: end,
			})
			c.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
			err := call(c)
			if !errors.Is(err, errSeen) {
				t.Error(err)
			}
		})
	}
}
