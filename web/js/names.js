// On the page of entering: a suggested name goes into the field without a new page.

const field = document.getElementById('name');

document.addEventListener('click', function (event) {
  const button = event.target;
  if (!(button instanceof HTMLButtonElement) || button.name !== 'pick' || button.value === '') return;
  if (!(field instanceof HTMLInputElement)) return;
  event.preventDefault();
  field.value = button.value;
  field.focus();
});
