package cloudformation

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// object is a mapping of the template. A function is one of a single key: {"Ref": …}, {"Fn::Sub": …}, whatever form it has in
// the file.
type object = map[string]any

// readTemplate reads the template as it is in the file.
func readTemplate(t testing.TB) object {
	t.Helper()
	text, err := os.ReadFile(templateFile)
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil || len(file.Docs) != 1 {
		t.Fatalf("%s: %v", templateFile, err)
	}
	template, ok := decode(t, file.Docs[0].Body).(object)
	if !ok {
		t.Fatal("the template is no mapping")
	}
	return template
}

// decode turns a node into what YAML means by it, with the short forms of functions spelled out.
func decode(t testing.TB, node ast.Node) any {
	t.Helper()
	switch n := node.(type) {
	case *ast.MappingNode:
		m := object{}
		for _, v := range n.Values {
			m[fmt.Sprint(decode(t, v.Key))] = decode(t, v.Value)
		}
		return m
	case *ast.MappingValueNode:
		return object{fmt.Sprint(decode(t, n.Key)): decode(t, n.Value)}
	case *ast.SequenceNode:
		list := []any{}
		for _, v := range n.Values {
			list = append(list, decode(t, v))
		}
		return list
	case *ast.TagNode:
		name := strings.TrimPrefix(n.Start.Value, "!")
		value := decode(t, n.Value)
		switch name {
		case "Ref", "Condition":
			return object{name: value}
		case "GetAtt":
			if text, ok := value.(string); ok {
				resource, attribute, _ := strings.Cut(text, ".")
				value = []any{resource, attribute}
			}
		}
		return object{"Fn::" + name: value}
	case *ast.LiteralNode:
		return n.Value.Value
	case *ast.NullNode:
		return nil
	case ast.ScalarNode:
		return n.GetValue()
	}
	t.Fatalf("line %d: a %T, which this test cannot read (CloudFormation knows no anchors)", node.GetToken().Position.Line, node)
	return nil
}

// The account of moto, in which everything is.
const (
	account = "123456789012"
	region  = "us-east-1"
)

// stack is the template with values for its parameters: what CloudFormation would hand to the services.
type stack struct {
	t          testing.TB
	parameters map[string]any
	conditions object
	resources  map[string]object // as in the template; those whose condition does not hold are left out
}

// noValue is what AWS::NoValue stands for: what has it is left out.
type noValue struct{}

// resolve gives the parameters values, the others their defaults.
func resolve(t testing.TB, values map[string]any) *stack {
	t.Helper()
	template := readTemplate(t)
	s := &stack{t: t, parameters: map[string]any{}, resources: map[string]object{}}
	for name, p := range template["Parameters"].(object) {
		s.parameters[name] = p.(object)["Default"]
	}
	maps.Copy(s.parameters, map[string]any{
		"Bucket": "my-logs", "Image": "registry.example/reprise", "VpcId": "vpc-1", "SubnetIds": []any{"subnet-1", "subnet-2"},
	})
	for name, v := range values {
		if _, ok := s.parameters[name]; !ok {
			t.Fatalf("there is no parameter %s", name)
		}
		s.parameters[name] = v
	}
	s.conditions = template["Conditions"].(object)
	for name, r := range template["Resources"].(object) {
		resource := r.(object)
		if condition, ok := resource["Condition"].(string); !ok || s.holds(condition) {
			s.resources[name] = resource
		}
	}
	return s
}

func (s *stack) holds(condition string) bool {
	c, ok := s.conditions[condition]
	if !ok {
		s.t.Fatalf("there is no condition %s", condition)
	}
	return s.value(c).(bool)
}

// of are the properties of a resource, with all functions carried out.
func (s *stack) of(resource string) object {
	s.t.Helper()
	r, ok := s.resources[resource]
	if !ok {
		s.t.Fatalf("there is no resource %s", resource)
	}
	return s.value(r["Properties"]).(object)
}

// kind are the names of the resources of a type.
func (s *stack) kind(kind string) []string {
	var names []string
	for name, r := range s.resources {
		if r["Type"] == kind {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// value carries the functions in v out.
func (s *stack) value(v any) any {
	switch v := v.(type) {
	case []any:
		list := []any{}
		for _, e := range v {
			if e := s.value(e); e != (noValue{}) {
				list = append(list, e)
			}
		}
		return list
	case object:
		if len(v) == 1 {
			for name, argument := range v {
				if name == "Ref" || name == "Condition" && isText(argument) || strings.HasPrefix(name, "Fn::") {
					return s.call(name, argument)
				}
			}
		}
		m := object{}
		for name, e := range v {
			if e := s.value(e); e != (noValue{}) {
				m[name] = e
			}
		}
		return m
	}
	return v
}

func isText(v any) bool { _, ok := v.(string); return ok }

func (s *stack) call(name string, argument any) any {
	list, _ := argument.([]any)
	switch name {
	case "Ref":
		return s.ref(argument.(string))
	case "Condition":
		return s.holds(argument.(string))
	case "Fn::GetAtt":
		return s.attribute(list[0].(string), list[1].(string))
	case "Fn::Sub":
		return s.sub(argument)
	case "Fn::If":
		if s.holds(list[0].(string)) {
			return s.value(list[1])
		}
		return s.value(list[2])
	case "Fn::Equals":
		return fmt.Sprint(s.value(list[0])) == fmt.Sprint(s.value(list[1]))
	case "Fn::Not":
		return !s.value(list[0]).(bool)
	case "Fn::Join":
		var parts []string
		of, ok := s.value(list[1]).([]any)
		if !ok { // a list of no elements is an empty text
			of = []any{s.value(list[1])}
		}
		for _, p := range of {
			parts = append(parts, fmt.Sprint(p))
		}
		return strings.Join(parts, list[0].(string))
	case "Fn::Base64":
		return s.value(argument)
	}
	s.t.Fatalf("%s is a function that this test does not know", name)
	return nil
}

func (s *stack) ref(name string) any {
	switch name {
	case "AWS::NoValue":
		return noValue{}
	case "AWS::Region":
		return region
	case "AWS::AccountId":
		return account
	case "AWS::Partition":
		return "aws"
	}
	if v, ok := s.parameters[name]; ok {
		return v
	}
	r, ok := s.resources[name]
	if !ok {
		s.t.Errorf("!Ref %s, which is not there", name)
		return nil
	}
	if kind := r["Type"].(string); names[kind] != "" {
		return s.value(r["Properties"].(object)[names[kind]])
	}
	return "id-of-" + name
}

// names are the properties that are what Ref returns, or an ARN ends in.
var names = map[string]string{
	"AWS::DynamoDB::Table": "TableName", "AWS::IAM::Role": "RoleName", "AWS::Logs::LogGroup": "LogGroupName", "AWS::ECS::Cluster": "ClusterName",
	"AWS::Lambda::Function": "FunctionName", "AWS::AutoScaling::AutoScalingGroup": "AutoScalingGroupName",
}

func (s *stack) attribute(resource, attribute string) any {
	r, ok := s.resources[resource]
	if !ok {
		s.t.Errorf("!GetAtt %s.%s, which is not there", resource, attribute)
		return nil
	}
	properties := r["Properties"].(object)
	switch kind := r["Type"].(string) + " " + attribute; kind {
	case "AWS::SQS::Queue QueueName":
		return s.value(properties["QueueName"])
	case "AWS::SQS::Queue Arn":
		return fmt.Sprintf("arn:aws:sqs:%s:%s:%s", region, account, s.value(properties["QueueName"]))
	case "AWS::DynamoDB::Table Arn":
		return fmt.Sprintf("arn:aws:dynamodb:%s:%s:table/%s", region, account, s.value(properties["TableName"]))
	case "AWS::DynamoDB::Table StreamArn":
		return fmt.Sprintf("arn:aws:dynamodb:%s:%s:table/%s/stream/now", region, account, s.value(properties["TableName"]))
	case "AWS::IAM::Role Arn":
		return fmt.Sprintf("arn:aws:iam::%s:role/%s", account, s.value(properties["RoleName"]))
	case "AWS::Logs::LogGroup Arn":
		return fmt.Sprintf("arn:aws:logs:%s:%s:log-group:%s:*", region, account, s.value(properties["LogGroupName"]))
	case "AWS::ECS::Service Name":
		return s.value(properties["ServiceName"])
	case "AWS::IAM::InstanceProfile Arn", "AWS::EC2::LaunchTemplate LatestVersionNumber":
		return kind + " of " + resource
	default:
		s.t.Fatalf("%s is an attribute that this test does not know", kind)
		return nil
	}
}

var variable = regexp.MustCompile(`\$\{([^!}][^}]*)\}`)

func (s *stack) sub(argument any) any {
	own := object{}
	text, ok := argument.(string)
	if list, with := argument.([]any); with {
		text, ok = list[0].(string)
		own = list[1].(object)
	}
	if !ok {
		s.t.Fatalf("!Sub of %v", argument)
	}
	return variable.ReplaceAllStringFunc(text, func(found string) string {
		name := found[2 : len(found)-1]
		if v, ok := own[name]; ok {
			return fmt.Sprint(s.value(v))
		}
		if resource, attribute, ok := strings.Cut(name, "."); ok {
			return fmt.Sprint(s.attribute(resource, attribute))
		}
		return fmt.Sprint(s.ref(name))
	})
}

// variants are the stack in the ways in which it can be built; each test that reads looks at all of them.
func variants(t *testing.T, look func(t *testing.T, s *stack)) {
	t.Helper()
	lambda := map[string]any{"Live": "lambda", "LambdaCodeBucket": "code", "LambdaCodeKey": "reprise.zip"}
	ec2 := map[string]any{"Compute": "EC2", "Ec2PackageBucket": "code", "Ec2PackageKey": "reprise.tgz"}
	for name, values := range map[string]map[string]any{
		"as it is":  nil,
		"no live":   {"Live": "none"},
		"function":  lambda,
		"instances": ec2,
		"all said": {
			"Prefix": "other", "KmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/k", "PermissionsBoundary": "arn:aws:iam::123456789012:policy/b",
			"ImageRepositoryArn": "arn:aws:ecr:us-east-1:123456789012:repository/r", "AlarmTopic": "arn:aws:sns:us-east-1:123456789012:t",
			"OperatorPrincipal": "arn:aws:iam::123456789012:role/o", "ReaderPrincipal": "arn:aws:iam::123456789012:role/r",
			"RouteTableIds": []any{"rtb-1"}, "AssignPublicIp": "ENABLED", "CpuArchitecture": "X86_64", "DeletionProtection": "false",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			look(t, resolve(t, values))
		})
	}
}

// walk calls f with every mapping in v, and where it is.
func walk(v any, path string, f func(path string, m object)) {
	switch v := v.(type) {
	case []any:
		for n, e := range v {
			walk(e, fmt.Sprintf("%s[%d]", path, n), f)
		}
	case object:
		f(path, v)
		for name, e := range v {
			walk(e, path+"."+name, f)
		}
	}
}

// list is v as a list: IAM takes one of anything without brackets.
func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

// texts are the elements of a list, or the one, as texts.
func texts(v any) []string {
	var all []string
	for _, e := range list(v) {
		all = append(all, fmt.Sprint(e))
	}
	return all
}
