package lint_test

import (
	"context"
	"fmt"
	"os"

	"github.com/suokelife/suokectl/pkg/lint"
	"github.com/suokelife/suokectl/pkg/lint/topics"
	"github.com/suokelife/suokectl/pkg/spec"
)

func Example() {
	kinds := []lint.Kind{topics.Kind(spec.Default())}
	source := lint.NewSource("topics.txt", []byte("dev.auth-service.UserRegistered.v1\n"))
	report, err := lint.Run(context.Background(), kinds, lint.Config{}, []*lint.Source{source})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := report.WriteText(os.Stdout, lint.Style{}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// topics.txt:1:18: error: topic event "UserRegistered": want kebab-case such as user-registered [TOPIC_EVENT]
	//     1 | dev.auth-service.UserRegistered.v1
	//       |                  ^~~~~~~~~~~~~~
	//   fix: name it dev.auth-service.user-registered.v1
}
