module mesh.test/toolbox

go 1.26.0
