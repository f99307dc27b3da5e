module perigee.dev/test

go 1.24
