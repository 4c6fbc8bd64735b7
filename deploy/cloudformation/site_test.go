package cloudformation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/seed-56345083/reprise/internal/realservers"
)

// oneAtATime: moto puts all tables back as they were when the condition of a transaction does not hold, also what others have
// written meanwhile. So all that is said to it about tables and stacks is said one after the other.
var oneAtATime sync.Mutex

// site is a stack on moto, with its bucket, behind a gate that does what IAM does: moto has the policies of the roles, but
// does not look at the resources of DynamoDB. The gate reads the policies from moto, and judges every request by those of the
// role whose credentials it was signed with; administrators' pass.
type site struct {
	*stack // the same values, resolved by reading the template
	prefix string
	moto   string
	gate   string

	mu    sync.Mutex
	roles map[string]*holder // by access key
}

// holder is a role with credentials of its own.
type holder struct {
	name                      string
	key, secret, token        string
	policies                  []policy
	asked                     int
	refused, incomprehensible []string
}

// newSite makes a bucket and a stack over it.
func newSite(t testing.TB) *site {
	t.Helper()
	s := begin(t)
	s.create(t)
	return s
}

// begin is newSite without the stack.
func begin(t testing.TB) *site {
	t.Helper()
	s := &site{moto: realservers.Moto(t), prefix: realservers.Unique(t, "r"), roles: map[string]*holder{}}
	bucket := realservers.Unique(t, "logs")
	s.openGate(t)
	if _, err := s.s3(t, nil).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	ec2 := func(action, element string) string {
		text := s.query(t, "ec2", url.Values{"Action": {action}, "Version": {"2016-11-15"}})
		return regexp.MustCompile("<" + element + ">([^<]+)<").FindStringSubmatch(text)[1]
	}
	s.stack = resolve(t, map[string]any{
		"Prefix": s.prefix, "Bucket": bucket, "VpcId": ec2("DescribeVpcs", "vpcId"), "SubnetIds": []any{ec2("DescribeSubnets", "subnetId")},
		"RouteTableIds": []any{ec2("DescribeRouteTables", "routeTableId")}, "DeletionProtection": "false",
	})
	return s
}

// chosen are the parameters that have other values than their defaults.
func (s *site) chosen() map[string]string {
	values := map[string]string{}
	for _, name := range []string{"Prefix", "Bucket", "Image", "VpcId", "SubnetIds", "RouteTableIds", "DeletionProtection"} {
		values[name] = strings.Join(texts(s.parameters[name]), ",")
	}
	return values
}

// create makes the stack by CloudFormation's API.
func (s *site) create(t testing.TB) {
	t.Helper()
	text, err := os.ReadFile(templateFile)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{
		"Action": {"CreateStack"}, "Version": {"2010-05-15"}, "StackName": {s.prefix}, "TemplateBody": {string(text)}, "Capabilities.member.1": {"CAPABILITY_NAMED_IAM"},
	}
	n := 0
	for name, v := range s.chosen() {
		n++
		form.Set(fmt.Sprintf("Parameters.member.%d.ParameterKey", n), name)
		form.Set(fmt.Sprintf("Parameters.member.%d.ParameterValue", n), v)
	}
	oneAtATime.Lock()
	defer oneAtATime.Unlock()
	s.query(t, "cloudformation", form)
}

// query calls one of the older services of moto and returns its answer.
func (s *site) query(t testing.TB, service string, form url.Values) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.moto, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+realservers.AccessKey+"/20260101/"+region+"/"+service+
		"/aws4_request, SignedHeaders=host, Signature=none")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v\n%s", form.Get("Action"), response.Status, err, text)
	}
	return string(text)
}

// element is the text of the first element of that name.
func element(t testing.TB, text, name string) string {
	t.Helper()
	m := regexp.MustCompile("<" + name + ">([^<]*)<").FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no %s in\n%s", name, text)
	}
	return m[1]
}

// role takes a role of the stack: its credentials, and its policies as they are now. suffix: what its name ends in.
func (s *site) role(t testing.TB, suffix string) *holder {
	t.Helper()
	h := &holder{name: s.prefix + "-" + suffix}
	text := s.query(t, "sts", url.Values{
		"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {"arn:aws:iam::" + account + ":role/" + h.name}, "RoleSessionName": {"test"},
	})
	h.key, h.secret, h.token = element(t, text, "AccessKeyId"), element(t, text, "SecretAccessKey"), element(t, text, "SessionToken")
	policies := s.query(t, "iam", url.Values{"Action": {"ListRolePolicies"}, "Version": {"2010-05-08"}, "RoleName": {h.name}})
	for _, m := range regexp.MustCompile("<member>([^<]+)<").FindAllStringSubmatch(policies, -1) {
		h.policies = append(h.policies, s.policy(t, h.name, m[1]))
	}
	if len(h.policies) == 0 {
		t.Fatalf("%s has no policies: %s", h.name, policies)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roles[h.key] = h
	return h
}

func (s *site) policy(t testing.TB, role, name string) policy {
	t.Helper()
	text := s.query(t, "iam", url.Values{"Action": {"GetRolePolicy"}, "Version": {"2010-05-08"}, "RoleName": {role}, "PolicyName": {name}})
	document, err := url.QueryUnescape(element(t, text, "PolicyDocument"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(document, "{'") { // moto hands a role's own policies out as Python writes them
		document = strings.ReplaceAll(document, "'", `"`)
	}
	var p policy
	if err := json.Unmarshal([]byte(document), &p); err != nil {
		t.Fatalf("%s\n%s", err, document)
	}
	return p
}

// openGate puts the gate before moto.
func (s *site) openGate(t testing.TB) {
	t.Helper()
	target, err := url.Parse(s.moto)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	forward := &httputil.ReverseProxy{
		Transport: transport, ErrorLog: log.New(io.Discard, "", 0), // of clients that have gone away
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is signed
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client has gone away
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if !s.judge(r, body) {
			deny(w, r)
			return
		}
		if strings.HasPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB") {
			oneAtATime.Lock()
			defer oneAtATime.Unlock()
		}
		if r.Method == http.MethodDelete && r.URL.Query().Has("tagging") && s.missing(r) {
			refuse(w, http.StatusNotFound, "NoSuchKey") // moto breaks down
			return
		}
		forward.ServeHTTP(w, r)
	}))
	s.gate = server.URL
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		transport.CloseIdleConnections()
	})
}

// judge reports whether whoever signed a request may make it.
func (s *site) judge(r *http.Request, body []byte) bool {
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ := strings.Cut(credential, "/")
	s.mu.Lock()
	defer s.mu.Unlock()
	if key == realservers.AccessKey {
		return true
	}
	h := s.roles[key]
	if h == nil {
		return false
	}
	h.asked++
	list, err := calls(r, body)
	for _, c := range list {
		ok, unclear := allows(h.policies, c.action, c.resource)
		if !ok {
			h.refused = append(h.refused, c.String())
			return false
		}
		err = errors.Join(err, unclear)
	}
	if err != nil {
		h.incomprehensible = append(h.incomprehensible, err.Error())
		return false
	}
	return true
}

// missing reports whether the object of a request is not there.
func (s *site) missing(r *http.Request) bool {
	request, err := http.NewRequestWithContext(r.Context(), http.MethodHead, s.moto+r.URL.EscapedPath(), nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusNotFound
}

func deny(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Amz-Target") == "" {
		refuse(w, http.StatusForbidden, "AccessDenied")
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, `{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"the role of the stack is not authorized"}`)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `<Error><Code>`+code+`</Code><Message>the role of the stack</Message></Error>`)
}

// take returns what a role was refused since the last call, and what the test could not judge; and whether it asked at all.
func (s *site) take(h *holder) (refused []string, asked int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	refused, asked = slices.Concat(h.refused, h.incomprehensible), h.asked
	h.refused, h.incomprehensible, h.asked = nil, nil, 0
	return refused, asked
}

// settings are those of a client with the credentials of a role; nil: an administrator's.
func settings(t testing.TB, h *holder) aws.Config {
	c := realservers.Config(t)
	if h != nil {
		c.Credentials = credentials.NewStaticCredentialsProvider(h.key, h.secret, h.token)
	}
	return c
}

func (s *site) s3(t testing.TB, h *holder) *s3.Client {
	return s3.NewFromConfig(settings(t, h), func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = &s.gate, true })
}

func (s *site) sqs(t testing.TB, h *holder) *sqs.Client {
	return sqs.NewFromConfig(settings(t, h), func(o *sqs.Options) { o.BaseEndpoint = &s.gate })
}

func (s *site) dynamo(t testing.TB, h *holder) *dynamodb.Client {
	return dynamodb.NewFromConfig(settings(t, h), func(o *dynamodb.Options) { o.BaseEndpoint = &s.gate })
}

// put puts an object, as those do who fill the archive.
func (s *site) put(t testing.TB, key, text string) {
	t.Helper()
	_, err := s.s3(t, nil).PutObject(t.Context(), &s3.PutObjectInput{Bucket: s.bucket(), Key: &key, Body: strings.NewReader(text)})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *site) bucket() *string { return aws.String(fmt.Sprint(s.parameters["Bucket"])) }

// command is the program with the variables of a container of the stack, and the credentials of a role.
func (s *site) command(ctx context.Context, t testing.TB, h *holder, container string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(ctx, program(t), args...)
	c.Dir = t.TempDir()
	env := maps.Clone(s.environments()[container])
	if env == nil {
		t.Fatalf("there is no container %s", container)
	}
	delete(env, "REPRISE_TELEMETRY_LISTEN")
	maps.Copy(env, map[string]string{
		"REPRISE_CONFIG_YAML": protocols, "REPRISE_WATCHER_INTERVAL": "200ms",
		"REPRISE_AWS_ENDPOINT_URL_SQS": s.gate, "REPRISE_AWS_ENDPOINT_URL_S3": s.gate, "REPRISE_AWS_ENDPOINT_URL_DYNAMODB": s.gate,
	})
	if h != nil {
		maps.Copy(env, map[string]string{"AWS_ACCESS_KEY_ID": h.key, "AWS_SECRET_ACCESS_KEY": h.secret, "AWS_SESSION_TOKEN": h.token})
	}
	c.Env = realservers.Environ()
	for k, v := range env {
		c.Env = append(c.Env, k+"="+v)
	}
	return c
}

// run runs a command to its end, and returns what it printed, also on standard error, and its exit code.
func (s *site) run(t testing.TB, h *holder, container, input string, args ...string) (out, all string, code int) {
	t.Helper()
	c := s.command(t.Context(), t, h, container, args...)
	var stdout, stderr bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(input), &stdout, &stderr
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String() + stdout.String(), c.ProcessState.ExitCode()
}

// must is run for what must succeed.
func (s *site) must(t testing.TB, h *holder, container, input string, args ...string) string {
	t.Helper()
	out, all, code := s.run(t, h, container, input, args...)
	if code != 0 {
		refused := []string{}
		if h != nil {
			refused, _ = s.take(h)
		}
		t.Fatalf("reprise %q ended with %d, refused %q\n%s", args, code, refused, all)
	}
	return out
}
