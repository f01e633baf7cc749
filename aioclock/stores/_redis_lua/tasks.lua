-- Tells of tasks.

local answers = {}
for n = 1, tonumber(take()) do answers[n] = told_task(task_of(take())) end
return answers
