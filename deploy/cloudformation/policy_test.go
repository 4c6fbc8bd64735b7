package cloudformation

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// policy is a role's, as IAM hands it out.
type policy struct {
	Version   string
	Statement []statement
}

type statement struct {
	Effect           string
	Action, Resource any
	Condition        any `json:",omitempty"`
}

// allows judges one action on one resource as IAM does: what no statement allows is refused, and one that denies wins.
// Conditions are none of this test's: a statement that has one is an error.
func allows(policies []policy, action, resource string) (bool, error) {
	allowed := false
	for _, p := range policies {
		for _, s := range p.Statement {
			if !matches(s.Action, action) || !matches(s.Resource, resource) {
				continue
			}
			switch {
			case s.Condition != nil:
				return false, fmt.Errorf("%s on %s depends on %v", action, resource, s.Condition)
			case s.Effect == "Deny":
				return false, nil
			}
			allowed = true
		}
	}
	return allowed, nil
}

// matches reports whether one of the patterns, in which * is anything and ? one character, is all of the text.
func matches(patterns any, text string) bool {
	for _, p := range texts(patterns) {
		quoted := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(p))
		if regexp.MustCompile("^" + quoted + "$").MatchString(text) {
			return true
		}
	}
	return false
}

func TestAllows(t *testing.T) {
	t.Parallel()
	var p policy
	err := json.Unmarshal([]byte(`{"Statement": [
		{"Effect": "Allow", "Action": ["s3:GetObject", "s3:Put*"], "Resource": "arn:aws:s3:::b/logs/*"},
		{"Effect": "Deny", "Action": "s3:PutObjectAcl", "Resource": "*"},
		{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": ["q", "r.x"]}]}`), &p)
	if err != nil {
		t.Fatal(err)
	}
	for want, asked := range map[bool][]string{
		true: {"s3:GetObject arn:aws:s3:::b/logs/a/b", "s3:PutObject arn:aws:s3:::b/logs/", "sqs:SendMessage q", "sqs:SendMessage r.x"},
		false: {
			"s3:GetObject arn:aws:s3:::b/log", "s3:GetObject *", "s3:PutObjectAcl arn:aws:s3:::b/logs/a", "s3:DeleteObject arn:aws:s3:::b/logs/a",
			"sqs:SendMessage qq", "sqs:SendMessage rxx", "sqs:SendMessageBatch q",
		},
	} {
		for _, a := range asked {
			action, resource, _ := strings.Cut(a, " ")
			if got, err := allows([]policy{p}, action, resource); got != want || err != nil {
				t.Errorf("%s: %v, %v", a, got, err)
			}
		}
	}
}

// call is what a request asks for: a permission and the resource that it is on.
type call struct{ action, resource string }

func (c call) String() string { return c.action + " on " + c.resource }

// calls tells what IAM would judge of a request: a transaction and a batch are what they do. An error: this test cannot read it.
func calls(r *http.Request, body []byte) ([]call, error) {
	target, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch {
	case strings.HasPrefix(target, "DynamoDB"):
		return dynamoCalls(name, body)
	case target == "AmazonSQS":
		var in struct{ QueueUrl, QueueName string }
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, err
		}
		queue := in.QueueName + in.QueueUrl[strings.LastIndex(in.QueueUrl, "/")+1:]
		return []call{{"sqs:" + strings.TrimSuffix(name, "Batch"), "arn:aws:sqs:" + region + ":" + account + ":" + queue}}, nil
	case target == "":
		return s3Calls(r, body)
	}
	return nil, fmt.Errorf("%s: a service that is not known here", target)
}

func dynamoCalls(name string, body []byte) ([]call, error) {
	var in struct {
		TableName, IndexName, StreamArn, ShardIterator string
		RequestItems                                   map[string]any
		TransactItems                                  []map[string]struct{ TableName string }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	table := func(name string) string { return "arn:aws:dynamodb:" + region + ":" + account + ":table/" + name }
	var list []call
	for t := range in.RequestItems {
		list = append(list, call{"dynamodb:" + name, table(t)})
	}
	kinds := map[string]string{"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem", "Get": "GetItem"}
	for _, i := range in.TransactItems {
		for kind, item := range i {
			list = append(list, call{"dynamodb:" + kinds[kind], table(item.TableName)})
		}
	}
	switch stream, _, _ := strings.Cut(in.StreamArn+in.ShardIterator, "|"); { // an iterator of moto begins with its stream
	case len(list) > 0:
		return list, nil
	case stream != "":
		return []call{{"dynamodb:" + name, stream}}, nil
	case in.IndexName != "":
		return []call{{"dynamodb:" + name, table(in.TableName) + "/index/" + in.IndexName}}, nil
	case in.TableName != "":
		return []call{{"dynamodb:" + name, table(in.TableName)}}, nil
	}
	return nil, fmt.Errorf("%s: it names no table", name)
}

// s3Calls knows the requests that the program makes, and those that are tried against it.
func s3Calls(r *http.Request, body []byte) ([]call, error) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	on := "arn:aws:s3:::" + bucket
	query := r.URL.Query()
	verb := map[string]string{http.MethodGet: "Get", http.MethodHead: "Get", http.MethodPut: "Put", http.MethodDelete: "Delete"}[r.Method]
	if query.Has("delete") {
		var in struct {
			Object []struct{ Key string }
		}
		if err := xml.NewDecoder(bytes.NewReader(body)).Decode(&in); err != nil {
			return nil, err
		}
		var list []call
		for _, o := range in.Object {
			list = append(list, call{"s3:DeleteObject", on + "/" + o.Key})
		}
		return list, nil
	}
	switch {
	case key == "" && query.Has("policy"):
		return []call{{"s3:" + verb + "BucketPolicy", on}}, nil
	case key == "" && (query.Has("list-type") || r.Method == http.MethodHead):
		return []call{{"s3:ListBucket", on}}, nil
	case key == "" && (r.Method == http.MethodPut || r.Method == http.MethodDelete) && len(query) == 0:
		return []call{{map[string]string{"Put": "s3:CreateBucket", "Delete": "s3:DeleteBucket"}[verb], on}}, nil
	case key != "" && query.Has("tagging"):
		return []call{{"s3:" + verb + "ObjectTagging", on + "/" + key}}, nil
	case key != "" && query.Has("acl"):
		return []call{{"s3:" + verb + "ObjectAcl", on + "/" + key}}, nil
	case key != "" && verb != "" && !query.Has("uploadId"):
		return []call{{"s3:" + verb + "Object", on + "/" + key}}, nil
	}
	return nil, fmt.Errorf("%s %s: a request that is not known here", r.Method, r.URL)
}
