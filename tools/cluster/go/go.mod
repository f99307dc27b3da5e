module perigee.dev/cluster

go 1.24
