package demo

func story() []chapter {
	return []chapter{
		whoIsHealthy(),
	}
}

func whoIsHealthy() chapter {
	return chapter{title: "Who is healthy, and why is one left out?", steps: []step{
		{
			args:  []string{"lab", "status"},
			shows: []string{`consul +127\.0\.0\.1:\d+`},
		},
	}}
}
